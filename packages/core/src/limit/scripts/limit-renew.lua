-- packages/core/src/limit/scripts/limit-renew.lua
-- Renews the permits that one process holds of a limit. One script, so that an expired permit is renewed only while a permit is
-- free (L1), and so that a late renewal does not take a permit again that was given back.
-- KEYS[1]   hash    state, as in limit-take
-- KEYS[2]   zset    permits → lease expiry; negative: settled
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     lease, milliseconds
-- ARGV[3]   int     1 = an expired permit is renewed also when none is free, 0 = only when one is
-- ARGV[4]   int     permits held at once
-- ARGV[5..] uuid    ids of the permits
-- reply     an array: the limit's clock, milliseconds · ids of the lost permits
-- cost      O(log permits) each
local state, held = KEYS[1], KEYS[2]
redis.call("ZREM", held, "") -- never refused
keep_clock()
local lease, always, permits = tonumber(ARGV[2]), ARGV[3] == "1", tonumber(ARGV[4])
local answer, late = { now }, {}
for i = 5, #ARGV do
  local score = tonumber(redis.call("ZSCORE", held, ARGV[i]) or 0)
  if score > now then
    redis.call("ZADD", held, int(now + lease), ARGV[i])
  elseif score >= 0 then
    late[#late + 1] = ARGV[i]
  end
end
for _, id in ipairs(late) do
  if always or redis.call("ZCOUNT", held, "(" .. int(now), "+inf") < permits then
    redis.call("ZADD", held, int(now + lease), id)
  else
    answer[#answer + 1] = id
  end
end
keep_for(state, lease)
keep_for(held, lease)
return answer
