-- packages/core/src/limit/scripts/breaker-ask.lua
-- Returns the state of a breaker; when its open time is over, admits one caller of the fleet as the probe. One script, so that
-- only one is admitted. A repeated call with the same token is the same probe.
-- KEYS[1]  hash    the breaker, as in breaker.lua
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  text    token of the probe, "" to read only
-- ARGV[3]  int     lease of a probe, milliseconds; after it another caller may probe
-- reply    {"closed", 0} | {"open", ms left} | {"half-open", ms until its probe's lease is over} | {"probe", 0}
-- cost     O(1)
local token = ARGV[2]
local answer = state()
if answer[1] ~= "half-open" or token == "" or (lease > now and probe ~= token) then return answer end
redis.call("HSET", key, "probe", token, "lease", int(now + tonumber(ARGV[3])))
return { "probe", 0 }
