-- packages/core/src/limit/scripts/limit-pause.lua
-- Pauses a limit: no grants for a while. One script, so that the longest of concurrent pauses applies. Sent twice, the pause
-- ends later by the time in between.
-- KEYS[1]  hash    state, as in limit-take
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  int     how long from now, milliseconds
-- reply    int     milliseconds until it is over
-- cost     O(1)
local state, millis = KEYS[1], tonumber(ARGV[2])
redis.call("HDEL", state, "") -- never refused
keep_clock()
local over = math.max(tonumber(redis.call("HGET", state, "until") or 0), now + millis)
redis.call("HSET", state, "until", int(over), "seen", now_text)
keep_for(state, over - now + 1000)
return over - now
