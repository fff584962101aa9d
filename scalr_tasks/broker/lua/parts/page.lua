-- page.lua: a part of an index, newest first, after the row where the last part ended.

local function sorts_before(one, other)
  -- byte by byte as Redis sorts members of equal score; Lua's < would follow the server's locale
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end

-- returns id, score, id, score, ...
local function page_of(index, last_score, last_id, limit)
  if last_score == '' then return redis.call('ZREVRANGE', index, 0, limit - 1, 'WITHSCORES') end
  if tonumber(redis.call('ZSCORE', index, last_id) or '') == tonumber(last_score) then
    local rank = redis.call('ZREVRANK', index, last_id)
    return redis.call('ZREVRANGE', index, rank + 1, rank + limit, 'WITHSCORES')
  end
  -- The row is gone meanwhile, so its rank is unknown.
  local rows = {}
  for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', index, last_score, last_score)) do
    if sorts_before(id, last_id) and #rows < 2 * limit then
      rows[#rows + 1] = id
      rows[#rows + 1] = last_score
    end
  end
  local left = limit - #rows / 2
  if left > 0 then
    local older = redis.call('ZREVRANGEBYSCORE', index, '(' .. last_score, '-inf', 'WITHSCORES', 'LIMIT', 0, left)
    for _, item in ipairs(older) do rows[#rows + 1] = item end
  end
  return rows
end

-- returns {cursor or false, {id, field, field, ..., bytes of the payload}, ...}; an id without a record, or with one that is no hash, is left out
local function listing(index, record, fields, last_score, last_id, limit)
  local rows = page_of(index, last_score, last_id, limit)
  local answer = { #rows == 2 * limit and rows[#rows] .. ':' .. rows[#rows - 1] or false }
  for i = 1, #rows, 2 do
    local row = redis.pcall('HMGET', record .. rows[i], unpack(fields))
    if row[1] then
      table.insert(row, 1, rows[i])
      row[#row + 1] = redis.call('HSTRLEN', record .. rows[i], 'payload')
      answer[#answer + 1] = row
    end
  end
  return answer
end
