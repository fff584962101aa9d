-- state.lua: where a job is in its life. Needs keys, head.
local KINDS = { done = 'done', failed = 'dead', aborted = 'aborted', expired = 'expired' }

local function place_of(id, queues)
  for _, queue in ipairs(queues) do
    local score = redis.call('ZSCORE', queue, id)
    if score then return queue, tonumber(score) end
  end
end

-- returns state, queue key, due ms, attempts that count; queue and due only where they are known
local function state_of(id, queues, now)
  local running = redis.call('EXISTS', IN_PROGRESS .. id) == 1
  local run = redis.call('HMGET', RUN .. id, 'attempts', 'started_at')
  local attempts = tonumber(run[1] or 0) or 0
  if redis.call('EXISTS', JOB .. id) == 1 then
    local queue, due = place_of(id, queues)
    if running then return 'running', queue, due, attempts end
    if due and due > now then return run[2] and 'retrying' or 'deferred', queue, due, attempts end
    return 'queued', queue, due, attempts
  end
  local parked_from = redis.call('HGET', PARKED_RECORD .. id, 'queue_key')
  if parked_from then return 'parked', parked_from, nil, attempts end
  if redis.call('EXISTS', RESULT .. id) == 1 then
    -- Bytes that are not ours are a result that plain arq wrote; it tells apart only that the job is over.
    return KINDS[head_at(RESULT .. id).kind] or 'done', nil, nil, attempts
  end
  if running then return 'running', nil, nil, attempts end
  if redis.call('EXISTS', DEAD_RECORD .. id) == 1 then return 'dead', nil, nil, attempts end
  return 'not_found', nil, nil, attempts
end
