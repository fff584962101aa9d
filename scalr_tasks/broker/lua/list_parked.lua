-- list_parked.lua: a part of the parked jobs, newest first.
-- uses: keys, page
--
-- ARGV[1]  score of the row where the last part ended, empty for the first part
-- ARGV[2]  job id of that row
-- ARGV[3]  at most so many
-- returns  the cursor of the next part (score:id) or nil, then one array per job:
--          id, task, version, queue_key, reason, score, parked_at,
--          number of the payload's bytes

local fields = { 'task', 'version', 'queue_key', 'reason', 'score', 'parked_at' }
return listing(PARKED, PARKED_RECORD, fields, ARGV[1], ARGV[2], tonumber(ARGV[3]))
