-- enqueue.lua: store jobs, each under its id, and put them on their queues.
-- uses: keys, clock, head, wake
--
-- A job whose id is taken is not stored, unless the holder has its nonce: then
-- it is this very job, sent again after a lost reply.
--
-- KEYS[1..]  zset  arq:queue:<queue>   job id -> due, epoch ms; the queues of this batch
-- ARGV[1..]  eight per job:
--            id, position of its queue in KEYS, head without braces, arguments (JSON), nonce,
--            delay ms, due epoch ms (empty: now + delay), expires ms after now (empty: never)
-- returns    one per job: 1 where it is stored, else the task of the job that has the id
--            (empty where its bytes do not tell)

local PER_JOB = 8
local call, now = redis.call, now_ms()
local now_text = whole(now)
local stamped = '{"v":1,"et":' .. now_text .. ','

-- returns the head of what has the id, nil where nothing has it
local function holder_of(id, nonce)
  if redis.call('EXISTS', JOB .. id) == 1 then return head_at(JOB .. id) end
  local parked = redis.call('HGET', PARKED_RECORD .. id, 'payload')
  if parked then return head_in(parked) end
  if redis.call('EXISTS', RESULT .. id) == 1 then return head_at(RESULT .. id) end
  -- A tombstone is there for the repeat of its own call; it keeps the id from nobody else.
  if nonce ~= '' and redis.call('GET', TOMBSTONE .. id) == nonce then return { n = nonce } end
end

local answers, grown = {}, {}
for i = 1, #ARGV, PER_JOB do
  local id, queue, head, arguments, nonce = ARGV[i], KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local delay, due, expires = ARGV[i + 5], ARGV[i + 6], ARGV[i + 7]
  local holder = nil
  if call('EXISTS', JOB .. id, PARKED_RECORD .. id, RESULT .. id, TOMBSTONE .. id, RUN .. id) > 0 then
    holder = holder_of(id, nonce)
    -- Counts that an earlier job of this id left behind are not this job's.
    if not holder then call('DEL', RUN .. id) end
  end
  if not holder then
    local expiry = expires == '' and '' or '"x":' .. whole(now + tonumber(expires)) .. ','
    -- The queue first: a key of another type stops the script here, and a payload alone would answer the repeat that
    -- the job is stored.
    if due == '' then due = delay == '0' and now_text or whole(now + tonumber(delay)) end
    call('ZADD', queue, due, id)
    call('SET', JOB .. id, stamped .. expiry .. head .. '}\n' .. arguments)
    grown[queue] = true
    answers[#answers + 1] = 1
  elseif nonce ~= '' and holder.n == nonce then
    -- What was sent first may have stopped before it woke anybody.
    grown[queue] = true
    answers[#answers + 1] = 1
  else
    answers[#answers + 1] = text(holder.f)
  end
end
for _, queue in ipairs(KEYS) do
  if grown[queue] then wake_one(queue) end
end
return answers
