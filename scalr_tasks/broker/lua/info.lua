-- info.lua: what is known of a job now.
-- uses: keys, clock, head, state, dead
--
-- KEYS[1..]  zset  arq:queue:<queue>   job id -> due, epoch ms; where the job may wait
-- ARGV[1]    job id
-- returns    state; queue key; due, epoch ms; attempts that count;
--            first bytes of the job, while it is there; bytes of its result;
--            where it is dead without a result: the fields of its record but the last (DEAD_FIELDS)
--            nil each where there is none

local id = ARGV[1]
local state, queue, due, attempts = state_of(id, KEYS, now_ms())
local head, result, dead = false, false, false
if state == 'parked' then
  head = string.sub(redis.call('HGET', PARKED_RECORD .. id, 'payload') or '', 1, HEAD_BYTES + 1)
elseif redis.call('EXISTS', JOB .. id) == 1 then
  head = redis.call('GETRANGE', JOB .. id, 0, HEAD_BYTES)
else
  result = redis.call('GET', RESULT .. id)
  if state == 'dead' and not result then
    dead = redis.call('HMGET', DEAD_RECORD .. id, unpack(DEAD_FIELDS, 1, #DEAD_FIELDS - 1))
  end
end
return { state, queue or false, due or false, attempts, head, result, dead }
