-- begin.lua: record that an attempt of a job starts.
-- uses: keys, clock
--
-- ARGV[1]  job id
-- returns  now (epoch ms), earlier attempts that count, earlier starts that never ended,
--          1 where no attempt was ever started before

local run = RUN .. ARGV[1]
local now = now_ms()
local starts = redis.call('HINCRBY', run, 'starts', 1)
local first = redis.call('HSETNX', run, 'started_at', whole(now))
return { now, tonumber(redis.call('HGET', run, 'attempts') or '') or 0, starts - 1, first }
