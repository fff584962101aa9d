-- beat.lua: record that a worker lives, and which queues it serves.
-- uses: keys, clock
--
-- ARGV[1]    worker id
-- ARGV[2]    what it says of itself, JSON
-- ARGV[3]    how long it counts as alive from now, ms
-- ARGV[4]    how long an empty queue that nobody serves is remembered, ms
-- ARGV[5..]  keys of the queues that it serves
-- returns    now, epoch ms

local id, said, alive_ms, remembered_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now = now_ms()
redis.call('SET', WORKER .. id, said, 'PX', alive_ms)
redis.call('ZADD', WORKERS, whole(now), id)
redis.call('ZREMRANGEBYSCORE', WORKERS, '-inf', whole(now - alive_ms))
for i = 5, #ARGV do redis.call('ZADD', QUEUES, whole(now), ARGV[i]) end
for _, queue in ipairs(redis.call('ZRANGEBYSCORE', QUEUES, '-inf', whole(now - remembered_ms), 'LIMIT', 0, 10)) do
  if redis.call('EXISTS', queue, DEAD_OF .. queue) == 0 then redis.call('ZREM', QUEUES, queue) end
end
return now
