-- requeue_parked.lua: put a parked job back on its queue as it was, whoever understands it.
-- uses: keys, clock, head, state, parked
--
-- ARGV[1]  job id
-- returns  1, queued; else 0 (nothing changed) and
--          not_found, running while the attempt that parked it still ends,
--          or the state of another job that has the id

local id = ARGV[1]
local record = redis.call('HMGET', PARKED_RECORD .. id, 'queue_key', 'payload', 'task')
local queue, payload, task = record[1], record[2], record[3]
if not (queue and payload and task) then return { 0, 'not_found' } end
if redis.call('EXISTS', JOB .. id) == 1 then return { 0, (state_of(id, { queue }, now_ms())) } end
if is_held(id) then return { 0, 'running' } end
requeue(id)
return { 1, 'queued' }
