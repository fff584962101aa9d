-- head.lua: the first line of a job or of a result, as a table; an empty one where it cannot be read.
local HEAD_BYTES = 4096

local function head_in(raw)
  local stop = raw and string.find(raw, '\n', 1, true)
  if not stop or stop > HEAD_BYTES + 1 then return {} end
  local readable, head = pcall(cjson.decode, string.sub(raw, 1, stop - 1))
  return readable and type(head) == 'table' and head or {}
end

local function head_at(key)
  return head_in(redis.call('GETRANGE', key, 0, HEAD_BYTES))
end

local function text(value)
  return type(value) == 'string' and value or ''
end

local function count(value)
  return type(value) == 'number' and value >= 0 and math.floor(value) or 0
end
