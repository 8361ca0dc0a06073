-- packages/core/src/worker/scripts/condemn.lua
-- Condemns processes whose lease has expired. One script, so that a process that beats at the same moment is either alive for
-- all processes or dead for all (A1).
-- KEYS[1]   zset   {fleet}:alive
-- ARGV[1]   int    clock offset, milliseconds
-- ARGV[2..] text   tokens
-- reply     the tokens that are dead now, condemned by this call or before
-- cost      O(tokens · log processes)
redis.call("ZREM", KEYS[1], "")
local dead = {}
for i = 2, #ARGV do
  local score = redis.call("ZSCORE", KEYS[1], ARGV[i])
  if not score or tonumber(score) <= now then
    if score and tonumber(score) > 0 then redis.call("ZADD", KEYS[1], -now, ARGV[i]) end
    dead[#dead + 1] = ARGV[i]
  end
end
return dead
