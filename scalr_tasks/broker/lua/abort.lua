-- abort.lua: remove a job that waits; ask for the end of one that runs.
-- uses: keys, clock, head, state, parked
--
-- KEYS[1..]  zset  arq:queue:<queue>   job id -> due, epoch ms; where the job may wait
-- ARGV[1]    job id
-- ARGV[2]    how long its result is kept where its own bytes do not say, ms; 0 keeps none
-- ARGV[3]    how long a tombstone is kept, ms
-- returns    aborted, running (asked for), or the state that the job is in and stays in

local id, keep_ms, tombstone_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local now = now_ms()
local state, queue, _, attempts = state_of(id, KEYS, now)
local is_parked = state == 'parked'

if state == 'running' then
  -- A claim may outlive its job; what is asked of an id without a job would hit the next job of that id.
  if redis.call('EXISTS', JOB .. id) == 1 then redis.call('ZADD', ABORT, whole(now), id) end
  return 'running'
elseif is_parked and redis.call('EXISTS', IN_PROGRESS .. id) == 1 then
  -- The attempt that parked it is about to end, and would delete a new job of this id; it takes a moment.
  return 'running'
elseif not (is_parked or state == 'queued' or state == 'deferred' or state == 'retrying') then
  return state
elseif not queue then
  -- It waits in a queue that was not named: without its bytes, its entry there would be a job that "expired".
  return state
end

local payload = is_parked and redis.call('HGET', PARKED_RECORD .. id, 'payload') or redis.call('GET', JOB .. id)
local head = head_in(payload)
if type(head.k) == 'number' then keep_ms = count(head.k) end
if keep_ms > 0 then
  redis.call('SET', RESULT .. id, table.concat({
    '{"v":1,"kind":"aborted","f":', cjson.encode(text(head.f)), ',"n":', cjson.encode(text(head.n)),
    ',"s":false,"t":', whole(attempts), ',"et":', whole(count(head.et)), ',"st":0,"ft":', whole(now),
    ',"q":', cjson.encode(queue or ''), ',"id":', cjson.encode(id),
    '}\n{"type":"JobAbortedError","message":"the job was aborted","traceback":""}',
  }), 'PX', whole(keep_ms))
elseif text(head.n) ~= '' then
  redis.call('SET', TOMBSTONE .. id, head.n, 'PX', tombstone_ms)
end
-- A plain arq worker may be between its look at the queue and its claim. It watches this key, so its claim fails.
redis.call('SET', IN_PROGRESS .. id, '', 'PX', 1)
if is_parked then
  drop_parked(id, queue, redis.call('HGET', PARKED_RECORD .. id, 'task'))
end
redis.call('DEL', IN_PROGRESS .. id, JOB .. id, RETRY .. id, RUN .. id)
for _, key in ipairs(KEYS) do redis.call('ZREM', key, id) end
redis.call('ZREM', ABORT, id)
redis.call('PUBLISH', ENDED .. id, '')
return 'aborted'
