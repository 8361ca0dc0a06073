-- packages/core/src/redis/scripts/clock.lua
-- Prelude of every script that needs the time: Redis's clock, which is the same for all processes. Stands first.
-- KEYS     those of the script below it
-- ARGV[1]  int     milliseconds added to Redis's clock; 0 but in tests
-- reply    none
-- cost     O(1)
local clock = redis.call("TIME")
local real_now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local now = real_now + tonumber(ARGV[1])
-- as text: Redis formats a number argument slowly, and would do so each time
local function int(number) return string.format("%d", number) end
local now_text = int(now)
