-- wake.lua: one token for the idle workers of a queue. Needs keys.
local WAKE_MS = 60000

-- Tells enqueues for a minute that a token will be taken; without an idle worker of ours none is left behind.
local function say_idle(queue)
  redis.call('SET', IDLE .. queue, '', 'PX', WAKE_MS)
end

-- One token wakes one worker; that one passes it on where it cannot take all.
local function wake_one(queue)
  if redis.call('EXISTS', IDLE .. queue) == 1 and redis.call('LLEN', WAKE .. queue) == 0 then
    redis.call('LPUSH', WAKE .. queue, '')
    redis.call('PEXPIRE', WAKE .. queue, WAKE_MS)
  end
end
