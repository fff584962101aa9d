-- entomb.lua: remember for a while that a job whose result is not kept has ended.
-- uses: keys
--
-- ARGV[1]  job id
-- ARGV[2]  its nonce
-- ARGV[3]  how long, ms
-- returns  OK

return redis.call('SET', TOMBSTONE .. ARGV[1], ARGV[2], 'PX', ARGV[3])
