-- wake.lua: leave a token for the idle workers of a queue in which a job is due.
-- uses: keys, clock, wake
--
-- KEYS[1]  zset  arq:queue:<queue>   job id -> due, epoch ms
-- returns  jobs that are due

local due = redis.call('ZCOUNT', KEYS[1], '-inf', whole(now_ms()))
if due > 0 then wake_one(KEYS[1]) end
return due
