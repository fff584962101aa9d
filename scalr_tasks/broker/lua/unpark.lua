-- unpark.lua: requeue the parked jobs of a queue that this code understands.
-- uses: keys, parked
--
-- KEYS[1]    zset  arq:queue:<queue>   job id -> due, epoch ms
-- ARGV[1]    at most so many
-- ARGV[2..]  two per task: its name, the newest version of it that is understood; a job of version 0 never is
-- returns    the ids that were requeued

local SCANNED = 5000
local queue, limit = KEYS[1], tonumber(ARGV[1])
local requeued = {}
for i = 2, #ARGV, 2 do
  local newest = tonumber(ARGV[i + 1])
  for _, id in ipairs(redis.call('ZRANDMEMBER', parked_of(queue, ARGV[i]), SCANNED)) do
    if #requeued == limit then return requeued end
    local version = tonumber(redis.call('HGET', PARKED_RECORD .. id, 'version') or '')
    if not version then
      drop_parked(id, queue, ARGV[i])
    elseif version > 0 and version <= newest and not is_held(id) then
      requeue(id)
      requeued[#requeued + 1] = id
    end
  end
end
return requeued
