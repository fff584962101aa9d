-- renew.lua: push back the end of the lease of every job that a worker still holds.
-- uses: keys, clock, lease
--
-- KEYS[1]    zset  arq:queue:<queue>   job id -> due, or the end of its lease, epoch ms
-- ARGV[1]    lease, ms
-- ARGV[2..]  three per job: id, token of its claim, 1 where its body has started
-- returns    the ids that the worker no longer holds: cancel those runs, do not finish them

local queue, lease_ms = KEYS[1], tonumber(ARGV[1])
local lease_end = now_ms() + lease_ms
local keys, lost = {}, {}
for i = 2, #ARGV, 3 do keys[#keys + 1] = IN_PROGRESS .. ARGV[i] end
redis.call('ZREM', ABORT, '')  -- see step.lua
local holders = redis.call('MGET', unpack(keys))
for n, holder in ipairs(holders) do
  local i = 3 * n - 1
  local id, token = ARGV[i], ARGV[i + 1]
  if may_speak(queue, id, holder, token) then
    redis.call('SET', IN_PROGRESS .. id, token, 'PX', lease_ms)
    redis.call('ZADD', queue, 'XX', lease_score(lease_end, ARGV[i + 2] == '1' and STARTED or HELD), id)
  else
    lost[#lost + 1] = id
  end
end
return lost
