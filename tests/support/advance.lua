-- advance.lua: let time pass for everything that is stored. For tests only: it walks every key.
--
-- The server's clock cannot be moved, so that which it is compared with is moved back:
-- places in queues, stored times, times in the heads of jobs and results, times to live.
--
-- ARGV[1]  how much time passes, ms
-- returns  OK

local delta = tonumber(ARGV[1])
local HASH_TIMES = { 'started_at', 'parked_at', 'died_at', 'enqueued_at', 'score' }
local HEAD_TIMES = { 'et', 'x', 'st', 'ft' }

local function whole(number)
  return string.format('%.0f', number)
end

local function earlier(time)
  return whole(math.max(0, tonumber(time) - delta))
end

-- returns the bytes of a job or of a result with the times in their first line moved
local function moved(raw)
  local stop = string.find(raw, '\n', 1, true)
  if not stop then return raw end
  local head = string.sub(raw, 1, stop - 1)
  for _, name in ipairs(HEAD_TIMES) do
    head = string.gsub(head, '([{,]"' .. name .. '":)(%d+)', function(before, time)
      return before .. (time == '0' and time or earlier(time))
    end, 1)
  end
  return head .. string.sub(raw, stop)
end

local function move_string(key)
  local left = redis.call('PTTL', key)
  if left >= 0 and left <= delta then
    redis.call('DEL', key)
  else
    redis.call('SET', key, moved(redis.call('GET', key)), 'KEEPTTL')
    if left >= 0 then redis.call('PEXPIRE', key, left - delta) end
  end
end

local function move_hash(key)
  for _, name in ipairs(HASH_TIMES) do
    local time = redis.call('HGET', key, name)
    if time then redis.call('HSET', key, name, earlier(time)) end
  end
  local payload = redis.call('HGET', key, 'payload')
  if payload then redis.call('HSET', key, 'payload', moved(payload)) end
end

local function move_zset(key)
  local rows = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #rows, 2 do
    -- The fraction of a score says something of its own (parts/lease.lua).
    local mark = string.match(rows[i + 1], '%.%d+$') or ''
    redis.call('ZADD', key, earlier(math.floor(tonumber(rows[i + 1]))) .. mark, rows[i])
  end
end

for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'string' then move_string(key) end
  if kind == 'hash' then move_hash(key) end
  if kind == 'zset' then move_zset(key) end
end
return redis.status_reply('OK')
