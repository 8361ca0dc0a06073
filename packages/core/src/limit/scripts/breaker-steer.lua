-- packages/core/src/limit/scripts/breaker-steer.lua
-- Opens or closes a breaker for an operator. Stands below breaker.lua.
-- KEYS[1]  hash    the breaker, as in breaker.lua
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  int     how long it stays open, milliseconds; then a call probes, as ever. 0: close it
-- reply    {"closed" | "open", ms left}
-- cost     O(1)
local millis = tonumber(ARGV[2])
redis.call("DEL", key)
if millis == 0 then return { "closed", 0 } end
redis.call("HSET", key, "until", int(now + millis), "times", "1", "failed", "", "hand", "1", "seen", now_text, "behind", int(behind))
redis.call("PEXPIRE", key, int(millis + 3600000))
return { "open", millis }
