-- bury_overdue_parked.lua: make dead what nobody understood in time, and delete what was dead too long.
-- uses: keys, clock, head, dead, parked
--
-- ARGV[1]  how long a job may be parked since its first parking, ms
-- ARGV[2]  how long dead jobs are kept, ms
-- ARGV[3]  at most so many
-- returns  the ids that are dead now

local parked_ms, keep_ms, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = now_ms()
local buried = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', PARKED, '-inf', whole(now - parked_ms), 'LIMIT', 0, limit)) do
  local record = redis.call('HMGET', PARKED_RECORD .. id, 'task', 'queue_key', 'reason', 'payload')
  local task, queue_key, reason, payload = record[1], record[2], record[3], record[4]
  if not (payload and task and queue_key and reason) then
    redis.call('ZREM', PARKED, id)
  elseif not is_held(id) then
    local queue = queue_key
    if string.sub(queue_key, 1, #QUEUE) == QUEUE then queue = string.sub(queue_key, #QUEUE + 1) end
    local attempts = redis.call('HGET', RUN .. id, 'attempts') or '0'
    local message = 'no worker understood the job for ' .. whole(parked_ms / 1000) .. ' s: ' .. reason
    keep_dead(id, {
      task, queue, queue_key, 'parked', 'ParkedTooLong', message, '',
      attempts, whole(count(head_in(payload).et)), whole(now), payload,
    }, whole(now))
    drop_parked(id, queue_key, task)
    redis.call('DEL', RUN .. id)
    redis.call('PUBLISH', ENDED .. id, '')
    buried[#buried + 1] = id
  end
end
trim_dead(now - keep_ms)
return buried
