-- lease.lua: a claimed job's place in its queue. Needs keys, clock.
--
-- The score of a claimed job is the end of its lease, so it leaves the head of the queue; plain arq takes it for a
-- deferred one. The fraction tells how far its worker is: .5 it has started the job, .25 it only holds it. Found at a
-- job that is due, the fraction says that the worker was lost. Scores of jobs that nobody holds are whole.
local STARTED, HELD = '.5', '.25'

local function lease_score(ends_at, mark)
  return whole(ends_at) .. mark
end

-- returns the fraction of a score, an empty text where it is whole
local function mark_of(score)
  return string.match(score, '%.%d+$') or ''
end

-- Whether a worker may still speak for a job: it holds the claim, or the claim went by itself and nobody took the job.
local function may_speak(queue, id, holder, token)
  if holder == token then return true end
  if holder then return false end
  local score = redis.call('ZSCORE', queue, id)
  return score and mark_of(score) ~= '' or false
end
