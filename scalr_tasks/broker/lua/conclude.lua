-- conclude.lua: forget the counts of a job that ended, and wake those who wait for its end.
-- uses: keys
--
-- ARGV[1]  job id
-- returns  1, or 0 where the job has not ended: its bytes are still there, on its queue or parked

local id = ARGV[1]
if redis.call('EXISTS', JOB .. id, PARKED_RECORD .. id) > 0 then return 0 end
redis.call('DEL', RUN .. id)
redis.call('PUBLISH', ENDED .. id, '')
return 1
