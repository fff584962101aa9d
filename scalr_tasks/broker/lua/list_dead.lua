-- list_dead.lua: a part of the dead jobs, newest first.
-- uses: keys, clock, dead, page
--
-- ARGV[1]  score of the row where the last part ended, empty for the first part
-- ARGV[2]  job id of that row
-- ARGV[3]  at most so many
-- returns  the cursor of the next part (score:id) or nil, then one array per job: id, DEAD_FIELDS,
--          with the number of the payload's bytes instead of the payload

local fields = { unpack(DEAD_FIELDS, 1, #DEAD_FIELDS - 1) }
return listing(DEAD, DEAD_RECORD, fields, ARGV[1], ARGV[2], tonumber(ARGV[3]))
