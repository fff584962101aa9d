-- step.lua: finish what ended and claim what fits, in one act.
-- uses: keys, clock, dead, lease, parked, wake
--
-- A job is finished only for the worker that holds its claim. A request that comes again after a lost reply is
-- answered as the first time and changes nothing.
--
-- KEYS[1]    zset  arq:queue:<queue>   job id -> due, or the end of its lease (parts/lease.lua), epoch ms
-- ARGV[1]    token of this request: kept as the claim on each job that it takes
-- ARGV[2]    name of the worker and queue, under which this request and its answer are remembered
-- ARGV[3]    lease, ms
-- ARGV[4]    at most so many jobs, which start at once
-- ARGV[5]    at most so many more, which wait in the worker
-- ARGV[6]    how many due jobs at the head of the queue need not be looked at: others hold them
-- ARGV[7]    how long dead jobs are kept, ms
-- ARGV[8]    how long a tombstone is kept, ms
-- ARGV[9]    number of jobs that ended
-- ARGV[10..] six per job that ended: id, token of its claim, result (empty: none), how long it is kept (ms),
--            nonce for a tombstone (empty: none), fields of its dead record as JSON (empty: not dead);
--            then four per job that did not: id, token of its claim, what, details as JSON:
--              started  its body runs
--              again    delay (ms), counts
--              back     score, started
--              park     score, reason, task, version
-- returns    now (epoch ms); when the next job is due that nobody can have yet (nil: none); due jobs that others hold;
--            ids of the above that this worker no longer holds; ids whose end is asked for;
--            three per claimed job: id, score, bytes;
--            five per claimed job that is not new: its position, attempts that count, starts that never ended,
--            1 where none was ever started, when its end was asked for (0: not)

local PER_ENDED, PER_OTHER, CHUNK, SCANNED, KEPT_MS = 6, 4, 256, 20000, 60000
local queue, token, memory = KEYS[1], ARGV[1], STEP .. ARGV[2]
local lease_ms, to_start, to_hold, skip = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local now = now_ms()
local lease_end = now + lease_ms
local lost, removed = {}, {}

-- returns the values under prefix .. id of some ids
local function all_of(prefix, ids)
  local keys = {}
  for i, id in ipairs(ids) do keys[i] = prefix .. id end
  return #keys > 0 and redis.call('MGET', unpack(keys)) or {}
end

-- returns what is remembered of this very request, in its own form
local function answered_before()
  local kept = redis.call('GET', memory)
  local answer = kept and cmsgpack.unpack(kept)
  if not answer or answer.token ~= token then return nil end
  local holders, payloads = all_of(IN_PROGRESS, answer.ids), all_of(JOB, answer.ids)
  local rows, counts, position = {}, {}, {}
  for i, id in ipairs(answer.ids) do
    if holders[i] == token and payloads[i] then
      position[i] = #rows / 3
      for _, value in ipairs({ id, answer.scores[i], payloads[i] }) do rows[#rows + 1] = value end
    end
  end
  for i = 1, #answer.counts, 5 do
    local at = position[answer.counts[i] + 1]
    if at then
      counts[#counts + 1] = at
      for j = 1, 4 do counts[#counts + 1] = answer.counts[i + j] end
    end
  end
  return { now, false, 0, answer.lost, {}, rows, counts }
end

-- returns the positions of the jobs from ARGV[first] on that this worker may speak for
local function spoken_for(first, last, width)
  local ids, positions = {}, {}
  for i = first, last, width do ids[#ids + 1] = ARGV[i] end
  local holders = all_of(IN_PROGRESS, ids)
  for n, id in ipairs(ids) do
    local i = first + (n - 1) * width
    if may_speak(queue, id, holders[n], ARGV[i + 1]) then
      positions[#positions + 1] = i
    else
      lost[#lost + 1] = id
    end
  end
  return positions
end

local function die(id, fields)
  local record = cjson.decode(fields)
  record[#record + 1] = whole(now)
  record[#record + 1] = redis.call('GET', JOB .. id) or ''
  keep_dead(id, record, whole(now))
  trim_dead(now - tonumber(ARGV[7]))
end

local function finish(first, last)
  local keys, ids, channels = {}, {}, {}
  for _, i in ipairs(spoken_for(first, last, PER_ENDED)) do
    local id, result, keep_ms, nonce, dead = ARGV[i], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
    if dead ~= '' then die(id, dead) end
    if result ~= '' then
      redis.call('SET', RESULT .. id, result, 'PX', keep_ms)
    elseif nonce ~= '' then
      redis.call('SET', TOMBSTONE .. id, nonce, 'PX', ARGV[8])
    end
    local n = #keys
    keys[n + 1], keys[n + 2], keys[n + 3], keys[n + 4] = JOB .. id, IN_PROGRESS .. id, RETRY .. id, RUN .. id
    ids[#ids + 1], channels[#channels + 1] = id, ENDED .. id
  end
  if #ids == 0 then return end
  redis.call('DEL', unpack(keys))
  redis.call('ZREM', queue, unpack(ids))
  removed = ids
  local waiting = redis.call('PUBSUB', 'NUMSUB', unpack(channels))
  for i = 1, #waiting, 2 do
    if waiting[i + 1] > 0 then redis.call('PUBLISH', waiting[i], '') end
  end
end

local function run_again(id, details)
  if redis.call('EXISTS', JOB .. id) == 0 then  -- removed while it ran
    redis.call('DEL', RUN .. id)
    return redis.call('ZREM', queue, id)
  end
  redis.call('HSETNX', RUN .. id, 'started_at', whole(now))
  if details.counts then redis.call('HINCRBY', RUN .. id, 'attempts', 1) end
  redis.call('HDEL', RUN .. id, 'starts')
  redis.call('ZADD', queue, 'XX', whole(now + details.delay), id)
end

local function give_back(id, details)
  if details.started then
    redis.call('HSETNX', RUN .. id, 'started_at', whole(now))
    redis.call('HDEL', RUN .. id, 'starts')
  end
  redis.call('ZADD', queue, 'XX', details.score, id)
end

local function set_aside(id, details)
  local payload = redis.call('GET', JOB .. id)
  if payload then
    only_hash(RUN .. id)
    only_hash(PARKED_RECORD .. id)
    -- A job that is parked again keeps the time of its first parking.
    redis.call('HSETNX', RUN .. id, 'parked_at', whole(now))
    local parked_at = redis.call('HGET', RUN .. id, 'parked_at')
    redis.call('HSET', PARKED_RECORD .. id,
      'task', details.task, 'version', details.version, 'queue_key', queue, 'reason', details.reason,
      'score', details.score, 'parked_at', parked_at, 'payload', payload)
    redis.call('ZADD', PARKED, parked_at, id)
    redis.call('ZADD', parked_of(queue, details.task), parked_at, id)
    redis.call('HDEL', RUN .. id, 'starts')
  end
  redis.call('DEL', JOB .. id, RETRY .. id)
  redis.call('ZREM', queue, id)
end

local function tell_of(first)
  for _, i in ipairs(spoken_for(first, #ARGV, PER_OTHER)) do
    local id, what = ARGV[i], ARGV[i + 2]
    if what == 'started' then
      redis.call('SET', IN_PROGRESS .. id, ARGV[i + 1], 'PX', lease_ms)
      redis.call('ZADD', queue, 'XX', lease_score(lease_end, STARTED), id)
    else
      local details = cjson.decode(ARGV[i + 3])
      if what == 'again' then run_again(id, details)
      elseif what == 'back' then give_back(id, details)
      else set_aside(id, details) end
      redis.call('DEL', IN_PROGRESS .. id, RETRY .. id)
    end
  end
end

-- Looks from the head of the queue on until there are so many that nobody holds.
local function free_jobs(most)
  local ids, scores, payloads, looked, held, chunk, gone = {}, {}, {}, skip, skip, most, 0
  while #ids < most and looked + gone < SCANNED do
    local rows = redis.call(
      'ZRANGEBYSCORE', queue, '-inf', whole(now), 'WITHSCORES', 'LIMIT', looked, chunk)
    if #rows == 0 then break end
    local met = {}
    for i = 1, #rows, 2 do met[#met + 1] = rows[i] end
    local holders, bytes = all_of(IN_PROGRESS, met), all_of(JOB, met)
    for n, id in ipairs(met) do
      if #ids == most then break end
      looked = looked + 1
      if holders[n] then
        held = held + 1
      elseif bytes[n] then
        ids[#ids + 1], scores[#scores + 1], payloads[#payloads + 1] = id, rows[2 * n], bytes[n]
      else
        removed[#removed + 1] = id
        -- Nothing to run: a plain client that aborts may leave such an id, and plain arq would overwrite its result.
        redis.call('ZREM', queue, id)
        looked, gone = looked - 1, gone + 1
      end
    end
    chunk = CHUNK
  end
  return ids, scores, payloads, held
end

-- returns five values per job that is not new
local function counts_of(ids, scores, asked)
  local keys, counts = {}, {}
  for i, id in ipairs(ids) do keys[i] = RUN .. id end
  local any_run = redis.call('EXISTS', unpack(keys)) > 0
  for i, id in ipairs(ids) do
    local mark, asked_at = mark_of(scores[i]), asked[id] or 0
    if any_run or mark ~= '' or asked_at ~= 0 then
      only_hash(RUN .. id)
      if mark == STARTED then
        redis.call('HINCRBY', RUN .. id, 'starts', 1)
        redis.call('HSETNX', RUN .. id, 'started_at', whole(now))
      end
      local run = redis.call('HMGET', RUN .. id, 'attempts', 'starts', 'started_at')
      for _, value in ipairs({ i - 1, tonumber(run[1] or 0) or 0, tonumber(run[2] or 0) or 0, run[3] and 0 or 1, asked_at }) do
        counts[#counts + 1] = value
      end
    end
  end
  return counts
end

local function claim(most, asked)
  local ids, scores, payloads, held = free_jobs(most)
  if #ids == 0 then return {}, {}, {}, {}, held end
  local moves, rows = {}, {}
  local counts = counts_of(ids, scores, asked)
  for i, id in ipairs(ids) do
    -- What was held once by a lost worker counts as started now: else a job that kills each worker at once, before
    -- it could say that it has started it, would do so for ever.
    local mark = (i <= to_start or mark_of(scores[i]) ~= '') and STARTED or HELD
    redis.call('SET', IN_PROGRESS .. id, token, 'PX', lease_ms)
    moves[2 * i - 1], moves[2 * i] = lease_score(lease_end, mark), id
    scores[i] = string.match(scores[i], '^-?%d+') or '0'
    rows[3 * i - 2], rows[3 * i - 1], rows[3 * i] = id, scores[i], payloads[i]
    if asked[id] then redis.call('ZREM', ABORT, id) end
  end
  redis.call('ZADD', queue, 'XX', unpack(moves))
  return rows, ids, scores, counts, held
end

local before = answered_before()
if before then return before end

redis.call('ZREMRANGEBYSCORE', ABORT, whole(now + 3600000), '+inf')  -- a write that Redis never refuses: after it, memory that is full refuses none
local first_other = 10 + tonumber(ARGV[9]) * PER_ENDED
if first_other > 10 then finish(10, first_other - 1) end
if #ARGV >= first_other then tell_of(first_other) end

local aborts, asked = {}, {}
local abort_rows = redis.call('ZREVRANGE', ABORT, 0, 199, 'WITHSCORES')
for i = 1, #abort_rows, 2 do
  aborts[#aborts + 1], asked[abort_rows[i]] = abort_rows[i], tonumber(abort_rows[i + 1])
end
if #aborts > 0 and #removed > 0 then redis.call('ZREM', ABORT, unpack(removed)) end

local most, rows, ids, scores, counts, held, due = to_start + to_hold, {}, {}, {}, {}, skip, false
if most > 0 then rows, ids, scores, counts, held = claim(most, asked) end
if #ids < most then
  say_idle(queue)
  due = redis.call('ZRANGEBYSCORE', queue, '(' .. whole(now), '(+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2] or false
elseif redis.call('ZCOUNT', queue, '-inf', whole(now)) > held then
  wake_one(queue)
end
if #ARGV > 9 or #ids > 0 then
  local answer = { token = token, ids = ids, scores = scores, counts = counts, lost = lost }
  redis.call('SET', memory, cmsgpack.pack(answer), 'PX', KEPT_MS)
end
return { now, due, held, lost, aborts, rows, counts }
