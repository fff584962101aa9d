-- postpone.lua: record that an attempt ended in order and the job runs again.
-- uses: keys
--
-- ARGV[1]  job id
-- ARGV[2]  1 where the attempt counts, 0 where it does not
-- returns  attempts that count, this one included

local id, counts = ARGV[1], ARGV[2] == '1'
local run = RUN .. id
if redis.call('EXISTS', JOB .. id) == 0 then
  -- The job was removed while it ran; nobody would ever delete its counts.
  redis.call('DEL', run)
  return 0
end
local attempts = tonumber(redis.call('HGET', run, 'attempts') or 0)
if counts then attempts = redis.call('HINCRBY', run, 'attempts', 1) end
redis.call('HDEL', run, 'starts')
return attempts
