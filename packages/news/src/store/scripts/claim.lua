-- packages/news/src/store/scripts/claim.lua
-- Takes the lock for filling the cache. One script, so that nobody fills a cache that was filled since its own miss.
-- KEYS[1]  prefix  {news}; keys are built from it: :state (hash), :warming (string)
-- ARGV[1]  text    version (as_of) of the lists that missed; "" if there were none
-- ARGV[2]  text    token of this claim; repeated, it gets the first answer again
-- ARGV[3]  int     lifetime of the lock, milliseconds; warm.lua releases it
-- reply    {"mine"} | {"taken"}: another process holds the lock | {"filled"}: the cache has been filled since
-- cost     O(1); all keys share the hash tag {news}
local state, warming = KEYS[1] .. ":state", KEYS[1] .. ":warming"
if (redis.call("HGET", state, "as_of") or "") ~= ARGV[1] then return { "filled" } end
local holder = redis.call("GET", warming)
if holder == ARGV[2] then return { "mine" } end
if holder then return { "taken" } end
redis.call("SET", warming, ARGV[2], "PX", ARGV[3])
return { "mine" }
