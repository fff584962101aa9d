-- leave.lua: forget a worker that stopped in order.
-- uses: keys
--
-- ARGV[1]  worker id
-- returns  1, or 0 where it was forgotten already

redis.call('DEL', WORKER .. ARGV[1])
return redis.call('ZREM', WORKERS, ARGV[1])
