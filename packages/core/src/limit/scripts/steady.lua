-- packages/core/src/limit/scripts/steady.lua
-- Prelude of the scripts of rate limits and breakers: their clock, which never goes back. What they remember ends at times of
-- Redis's clock; when that is set back by ten minutes, a full window, a pause or an open breaker would last ten minutes longer.
-- So each keeps the last time it wrote down, and how far Redis's clock has fallen behind it. Not a script of its own: it stands
-- below redis/scripts/clock.lua, and `now` below it is this clock. A step forward cannot be told from an idle time.
-- KEYS[1]  hash    seen (the last time that was written down, ms), behind (how far Redis's clock is behind, ms), and what the
--                  script below keeps in it
-- ARGV[1]  int     milliseconds added to Redis's clock; 0 but in tests
-- reply    none (functions only)
-- cost     O(1)
local drift = 1000 -- smaller steps are not corrected
local kept_clock = redis.call("HMGET", KEYS[1], "seen", "behind")
local seen, known_behind = tonumber(kept_clock[1] or 0), tonumber(kept_clock[2] or 0)
local behind = known_behind
if now + behind < seen - drift then behind = seen - now end
now = now + behind
now_text = int(now)

-- Remembers how far the clock is behind. Call it after a command that is never refused.
local function keep_clock()
  if behind ~= known_behind then redis.call("HSET", KEYS[1], "behind", int(behind)) end
end
