-- dead.lua: the records of dead jobs. Needs keys, clock.
local DEAD_FIELDS = {
  'task', 'queue', 'queue_key', 'reason', 'error_type', 'error_message', 'error_traceback',
  'attempts', 'enqueued_at', 'died_at', 'payload',
}

-- returns 1, or 0 where it was not there
local function drop_dead(id)
  only_hash(DEAD_RECORD .. id)
  local queue_key = redis.call('HGET', DEAD_RECORD .. id, 'queue_key')
  if queue_key then redis.call('ZREM', DEAD_OF .. queue_key, id) end
  redis.call('ZREM', DEAD, id)
  return redis.call('DEL', DEAD_RECORD .. id)
end

-- values in the order of DEAD_FIELDS
local function keep_dead(id, values, died_at)
  local fields = {}
  for i, name in ipairs(DEAD_FIELDS) do
    fields[#fields + 1] = name
    fields[#fields + 1] = values[i]
  end
  drop_dead(id)
  redis.call('HSET', DEAD_RECORD .. id, unpack(fields))
  redis.call('ZADD', DEAD, died_at, id)
  redis.call('ZADD', DEAD_OF .. values[3], died_at, id)
end

-- Deletes what died too long ago. The records have no TTL: a Redis that evicts takes keys with one first.
local function trim_dead(before)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', DEAD, '-inf', '(' .. whole(before), 'LIMIT', 0, 100)) do
    drop_dead(id)
  end
end
