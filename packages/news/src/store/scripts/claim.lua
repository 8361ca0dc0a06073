-- packages/news/src/store/scripts/claim.lua
-- Takes the right to fill the cache. One script, so that nobody fills anew what was filled after he had looked.
-- KEYS[1]  prefix  {news}; keys are built from it: :state (hash), :warming (string)
-- ARGV[1]  text    as of when the lists were that missed something; "" where there were none
-- ARGV[2]  text    token of this claim; sent twice it answers as the first time
-- ARGV[3]  int     how long the right lasts, milliseconds; warm.lua ends it
-- reply    {"mine"} | {"taken"}: another process is at it | {"filled"}: another has been since
-- cost     O(1); all keys share the hash tag {news}
local state, warming = KEYS[1] .. ":state", KEYS[1] .. ":warming"
if (redis.call("HGET", state, "as_of") or "") ~= ARGV[1] then return { "filled" } end
local holder = redis.call("GET", warming)
if holder == ARGV[2] then return { "mine" } end
if holder then return { "taken" } end
redis.call("SET", warming, ARGV[2], "PX", ARGV[3])
return { "mine" }
