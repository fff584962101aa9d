-- parked.lua: the records of parked jobs. Needs keys.
local function parked_of(queue_key, task)
  return PARKED_OF .. queue_key .. ':' .. task
end

local function drop_parked(id, queue_key, task)
  redis.call('DEL', PARKED_RECORD .. id)
  redis.call('ZREM', PARKED, id)
  redis.call('ZREM', parked_of(queue_key, task), id)
end

-- An attempt under plain arq that parked its job still deletes the job's keys when it ends: until then, hands off.
local function is_held(id)
  return redis.call('EXISTS', IN_PROGRESS .. id, JOB .. id) > 0
end

local function requeue(id)
  local record = redis.call('HMGET', PARKED_RECORD .. id, 'payload', 'queue_key', 'score', 'task')
  redis.call('SET', JOB .. id, record[1])
  redis.call('ZADD', record[2], tonumber(record[3] or '') and record[3] or '0', id)
  drop_parked(id, record[2], record[4])
end
