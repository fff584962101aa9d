-- count_queued.lua: how many jobs are in some queues, running ones included.
--
-- KEYS[1..]  zset  arq:queue:<queue>   job id -> due, epoch ms
-- returns    their number

local queued = 0
for _, queue in ipairs(KEYS) do queued = queued + redis.call('ZCARD', queue) end
return queued
