-- forget_dead.lua: delete dead jobs.
-- uses: keys, clock, dead
--
-- ARGV[1..]  job ids
-- returns    how many were there

local forgotten = 0
for _, id in ipairs(ARGV) do
  forgotten = forgotten + drop_dead(id)
end
return forgotten
