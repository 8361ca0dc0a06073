-- packages/core/src/worker/scripts/condemn.lua
-- Condemns processes whose lease has expired. One script, so that a process that beats at the same moment is either alive for
-- all processes or dead for all (A1).
-- KEYS[1]   zset   {fleet}:alive
-- ARGV[1]   int    clock offset, milliseconds
-- ARGV[2]   int    Redis's clock as the caller knows it, milliseconds: leases are judged at no later time. A clock that stepped
--           since the caller's last beat must not end every lease at once
-- ARGV[3..] text   tokens
-- reply     the tokens that are dead now, condemned by this call or before
-- cost      O(tokens · log processes)
redis.call("ZREM", KEYS[1], "")
local dead, as_of = {}, math.min(now, tonumber(ARGV[2]))
for i = 3, #ARGV do
  local score = redis.call("ZSCORE", KEYS[1], ARGV[i])
  if not score or tonumber(score) <= as_of then
    if score and tonumber(score) > 0 then redis.call("ZADD", KEYS[1], -now, ARGV[i]) end
    dead[#dead + 1] = ARGV[i]
  end
end
return dead
