-- revive.lua: put a dead job back on its queue, same id and arguments, no counted attempts.
-- uses: keys, clock, head, state, dead
--
-- Its old result goes in the same act. A job with `expires` gets as long again,
-- from now: its own deadline was that of the call that failed.
--
-- ARGV[1]  job id
-- returns  1, queued; else 0 (nothing changed) and
--          not_found, running while the attempt that it died of still ends,
--          or the state of another job that has the id

local id = ARGV[1]
local record = redis.call('HMGET', DEAD_RECORD .. id, 'payload', 'queue_key')
local payload, queue = record[1], record[2]
if not (payload and queue) then return { 0, 'not_found' } end

local now = now_ms()
local head = head_in(payload)
if redis.call('EXISTS', IN_PROGRESS .. id) == 1 then return { 0, 'running' } end
if redis.call('EXISTS', JOB .. id) == 1 then
  if text(head_at(JOB .. id).n) == text(head.n) then return { 0, 'running' } end
  return { 0, (state_of(id, { queue }, now)) }
end
if redis.call('EXISTS', PARKED_RECORD .. id) == 1 then return { 0, 'parked' } end
if redis.call('EXISTS', RESULT .. id) == 1 then
  local result = head_at(RESULT .. id)
  local own = result.kind == 'failed' and (text(result.n) == text(head.n) or text(result.n) == '')
  if not own then return { 0, KINDS[result.kind] or 'done' } end
end

-- replaces a number of the first line
local function restamped(bytes, name, was, is)
  local first, last = string.find(bytes, '"' .. name .. '":' .. whole(was), 1, true)
  if not first or last > string.find(bytes, '\n', 1, true) then return bytes end
  return string.sub(bytes, 1, first - 1) .. '"' .. name .. '":' .. whole(is) .. string.sub(bytes, last + 1)
end

if type(head.x) == 'number' and type(head.et) == 'number' then
  -- Both, so that a second revival gives as long again, and not longer.
  payload = restamped(payload, 'x', head.x, now + head.x - head.et)
  payload = restamped(payload, 'et', head.et, now)
end
redis.call('SET', JOB .. id, payload)
redis.call('ZADD', queue, whole(now), id)
redis.call('DEL', RESULT .. id, TOMBSTONE .. id, RUN .. id, RETRY .. id)
drop_dead(id)
redis.call('ZREM', ABORT, id)
return { 1, 'queued' }
