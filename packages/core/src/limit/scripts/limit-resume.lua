-- packages/core/src/limit/scripts/limit-resume.lua
-- Ends the pause of a limit. One script, so that an unknown limit is distinguished from one that is not paused. Sent twice, it
-- answers the same.
-- KEYS[1]  hash    state, as in limit-take
-- ARGV[1]  int     clock offset, milliseconds
-- reply    int     1, or 0: there is no such limit
-- cost     O(1)
local state = KEYS[1]
if redis.call("EXISTS", state) == 0 then return 0 end
-- set, not deleted: without its only field the hash would vanish, and a repeated call would find no limit
redis.call("HSET", state, "until", int(now))
return 1
