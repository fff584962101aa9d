-- park.lua: move a job that this code does not understand out of its queue.
-- uses: keys, clock, parked
--
-- KEYS[1]  zset  arq:queue:<queue>   job id -> due, epoch ms
-- ARGV[1]  job id
-- ARGV[2]  reason
-- ARGV[3]  task, empty where the bytes do not tell
-- ARGV[4]  version of the task, 0 where the bytes do not tell
-- returns  1, or 0 where the job was gone

local queue = KEYS[1]
local id, reason, task, version = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local payload = redis.call('GET', JOB .. id)
if not payload then return 0 end
local now = whole(now_ms())
-- A job that is parked again keeps the time of its first parking.
redis.call('HSETNX', RUN .. id, 'parked_at', now)
local parked_at = redis.call('HGET', RUN .. id, 'parked_at')
redis.call('HSET', PARKED_RECORD .. id,
  'task', task, 'version', version, 'queue_key', queue, 'reason', reason,
  'score', redis.call('ZSCORE', queue, id) or now, 'parked_at', parked_at, 'payload', payload)
redis.call('ZADD', PARKED, parked_at, id)
redis.call('ZADD', parked_of(queue, task), parked_at, id)
redis.call('HDEL', RUN .. id, 'starts')
redis.call('DEL', JOB .. id, RETRY .. id)
redis.call('ZREM', queue, id)
return 1
