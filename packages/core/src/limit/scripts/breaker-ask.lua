-- packages/core/src/limit/scripts/breaker-ask.lua
-- Tells the state of a breaker and, of an open one whose time is over, lets one caller of the fleet probe. One script, so that
-- it is one only. Asked again with the same token, it is the same probe.
-- KEYS[1]  hash    the breaker, as in breaker.lua
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  text    token to probe under, "" to look only
-- ARGV[3]  int     lease of a probe, milliseconds: whoever dies over it is succeeded then
-- reply    {"closed", 0} | {"open", ms left} | {"half-open", ms until its probe's lease is over} | {"probe", 0}
-- cost     O(1)
local token = ARGV[2]
local answer = state()
if answer[1] ~= "half-open" or token == "" or (lease > now and probe ~= token) then return answer end
redis.call("HSET", key, "probe", token, "lease", int(now + tonumber(ARGV[3])))
return { "probe", 0 }
