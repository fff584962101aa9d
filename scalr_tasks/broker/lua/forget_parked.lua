-- forget_parked.lua: delete parked jobs, and wake those who wait for their end.
-- uses: keys, parked
--
-- ARGV[1..]  job ids
-- returns    how many were there; one whose last attempt still ends is left alone

local forgotten = 0
for _, id in ipairs(ARGV) do
  local record = redis.call('HMGET', PARKED_RECORD .. id, 'queue_key', 'task')
  if record[1] and redis.call('EXISTS', IN_PROGRESS .. id) == 0 then
    drop_parked(id, record[1], record[2])
    redis.call('DEL', RUN .. id)
    redis.call('PUBLISH', ENDED .. id, '')
    forgotten = forgotten + 1
  end
end
return forgotten
