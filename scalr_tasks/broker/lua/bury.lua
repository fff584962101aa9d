-- bury.lua: keep a job that failed for good. The engine removes it from its queue afterwards.
-- uses: keys, clock, dead
--
-- ARGV[1]      job id
-- ARGV[2]      how long dead jobs are kept, ms
-- ARGV[3..8]   task, queue, queue key, reason, error type, error message
-- ARGV[9..12]  error traceback, attempts, enqueued at (epoch ms),
--              the job's bytes (empty: those under the job key)
-- returns      died at, epoch ms

local id, keep_ms = ARGV[1], tonumber(ARGV[2])
local now = now_ms()
local values = {}
for i = 3, 11 do values[#values + 1] = ARGV[i] end
values[#values + 1] = whole(now)
values[#values + 1] = ARGV[12] ~= '' and ARGV[12] or redis.call('GET', JOB .. id) or ''
keep_dead(id, values, whole(now))
trim_dead(now - keep_ms)
return now
