-- keys.lua: the prefixes of broker/keys.py; a test compares the two.
local JOB = 'arq:job:'
local IN_PROGRESS = 'arq:in-progress:'
local RETRY = 'arq:retry:'
local RESULT = 'arq:result:'
local ABORT = 'arq:abort'
local QUEUE = 'arq:queue:'
local RUN = 'scalr:run:'
local TOMBSTONE = 'scalr:tombstone:'
local DEAD = 'scalr:dead'
local DEAD_RECORD = 'scalr:dead:'
local DEAD_OF = 'scalr:dead-of:'
local PARKED = 'scalr:parked'
local PARKED_RECORD = 'scalr:parked:'
local PARKED_OF = 'scalr:parked-of:'
local ENDED = 'scalr:ended:'
local WORKER = 'scalr:worker:'
local WORKERS = 'scalr:workers'
local QUEUES = 'scalr:queues'
local WAKE = 'scalr:wake:'
local IDLE = 'scalr:idle:'
local STEP = 'scalr:step:'
local TICKED = 'scalr:ticked:'
local LISTENER = 'scalr:listener:'

-- What somebody else put where our hash belongs must not stop a script that serves other jobs too.
local function only_hash(key)
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', key) end
end
