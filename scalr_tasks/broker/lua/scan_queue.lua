-- scan_queue.lua: a part of the jobs that are in a queue, with their bytes; in no order, some of them twice.
-- uses: keys
--
-- KEYS[1]  zset  arq:queue:<queue>   job id -> due, epoch ms
-- ARGV[1]  the cursor of the last part, 0 for the first one
-- ARGV[2]  about so many
-- returns  the cursor of the next part, 0 at the end; then id, bytes, id, bytes, ...
--          an id whose bytes are gone is left out

local queue = KEYS[1]
local found = redis.call('ZSCAN', queue, ARGV[1], 'COUNT', ARGV[2])
local answer = { found[1] }
for i = 1, #found[2], 2 do
  local id = found[2][i]
  local raw = redis.call('GET', JOB .. id)
  if raw then
    answer[#answer + 1] = id
    answer[#answer + 1] = raw
  end
end
return answer
