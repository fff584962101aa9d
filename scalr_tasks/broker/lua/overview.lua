-- overview.lua: the workers that live, and how many jobs each queue has in which state.
-- uses: keys, clock
--
-- Costs the same however many jobs there are. A job runs where its claim is
-- there; claims are looked for among the first due jobs of a queue, where plain
-- arq leaves them, and among the first deferred ones, where a lease puts them.
--
-- ARGV[1]    a worker lives whose last beat is at most so long ago, ms
-- ARGV[2]    how many due jobs of a queue are looked at, and how many deferred ones
-- ARGV[3..]  keys of queues, beside those that a worker serves or has served
-- returns    now, epoch ms
--            one array per living worker: id, last beat (epoch ms), what it says of itself (JSON)
--            one array per queue: key, ready, due of the oldest ready job (epoch ms, nil where there is none),
--            deferred, running, dead

local alive_ms, looked_at = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = now_ms()

local workers = {}
local beats = redis.call('ZRANGEBYSCORE', WORKERS, '(' .. whole(now - alive_ms), '+inf', 'WITHSCORES')
for i = 1, #beats, 2 do
  local said = redis.call('GET', WORKER .. beats[i])
  if said then workers[#workers + 1] = { beats[i], tonumber(beats[i + 1]), said } end
end

-- returns how many of the first jobs run, and when the first that does not was due
local function running_in(queue, from, to)
  local running, oldest = 0, false
  local first = redis.call('ZRANGEBYSCORE', queue, from, to, 'WITHSCORES', 'LIMIT', 0, looked_at)
  for i = 1, #first, 2 do
    if redis.call('EXISTS', IN_PROGRESS .. first[i]) == 1 then
      running = running + 1
    elseif not oldest then
      oldest = math.floor(tonumber(first[i + 1]))
    end
  end
  return running, oldest
end

local queues, seen = {}, {}
local function count_queue(queue)
  if seen[queue] then return end
  seen[queue] = true
  local due = redis.call('ZCOUNT', queue, '-inf', whole(now))
  local due_running, oldest = running_in(queue, '-inf', whole(now))
  local leased = running_in(queue, '(' .. whole(now), '+inf')
  local deferred = redis.call('ZCARD', queue) - due - leased
  local dead = redis.call('ZCARD', DEAD_OF .. queue)
  queues[#queues + 1] = { queue, due - due_running, oldest, deferred, due_running + leased, dead }
end

for i = 3, #ARGV do count_queue(ARGV[i]) end
for _, queue in ipairs(redis.call('ZRANGE', QUEUES, 0, -1)) do
  -- Anybody may have written there: a name of something else must not hide the queues.
  local kind = redis.call('TYPE', queue).ok
  if kind == 'zset' or kind == 'none' then count_queue(queue) end
end
return { now, workers, queues }
