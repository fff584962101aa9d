-- clock.lua: Redis's time, and whole numbers as text (Lua's own text of 1e14 and more is 1e+14).
local function now_ms()
  local clock = redis.call('TIME')
  return clock[1] * 1000 + math.floor(clock[2] / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end
