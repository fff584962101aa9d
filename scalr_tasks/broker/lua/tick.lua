-- tick.lua: make one tick of a cron task a job, once, whoever asks and however often.
-- uses: keys, clock, head, wake
--
-- KEYS[1]  zset  arq:queue:<queue>   job id -> due, epoch ms
-- ARGV[1]  task
-- ARGV[2]  the tick, epoch ms
-- ARGV[3]  head of the job, without braces
-- ARGV[4]  its arguments (JSON)
-- ARGV[5]  it expires so many ms from now (empty: never)
-- ARGV[6]  1: left out while the job of the tick before has not ended
-- returns  1 where it is stored; 0 where this tick or a later one became a job before; -1 where it was left out

local KEPT_MS = 30 * 24 * 3600 * 1000
local queue, task, tick, head, arguments, expires = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local newest = TICKED .. queue .. ':' .. task
local before = redis.call('GET', newest)
if before and tonumber(before) >= tonumber(tick) then return 0 end

-- A caller may have given its own job the id of a tick.
local function is_of_another_task(id)
  if redis.call('EXISTS', JOB .. id) == 1 then return text(head_at(JOB .. id).f) ~= task end
  local name = redis.call('HGET', PARKED_RECORD .. id, 'task') or text(head_at(RESULT .. id).f)
  return name ~= '' and name ~= task
end

local function has_ended(at)
  local plain = task .. ':' .. at
  local other = plain .. ':cron'
  if redis.call('EXISTS', JOB .. other, PARKED_RECORD .. other) > 0 then return false end
  return redis.call('EXISTS', JOB .. plain, PARKED_RECORD .. plain) == 0 or is_of_another_task(plain)
end

local id, answer = task .. ':' .. tick, -1
if is_of_another_task(id) then id = id .. ':cron' end
if ARGV[6] ~= '1' or not before or has_ended(before) then
  answer = 0
  if redis.call('EXISTS', JOB .. id, RESULT .. id, PARKED_RECORD .. id, TOMBSTONE .. id) == 0 then
    local now = now_ms()
    local expiry = expires == '' and '' or '"x":' .. whole(now + tonumber(expires)) .. ','
    redis.call('SET', JOB .. id, table.concat({ '{"v":1,"et":', whole(now), ',', expiry, head, '}\n', arguments }))
    redis.call('ZADD', queue, whole(now), id)
    wake_one(queue)
    answer = 1
  end
  redis.call('SET', newest, tick, 'PX', whole(KEPT_MS))
end
return answer
