-- packages/core/src/worker/scripts/beat.lua
-- One heartbeat of a process: renews its lease and returns the dead processes. One script, so that a condemned process learns
-- it here and never renews its lease (A1).
-- It also confirms `{fleet}:meta`, so that a Redis that lost its data has it again with the next beat (Keyspace).
-- Stands below redis/scripts/clock.lua and meta.lua.
-- KEYS[1]  zset    {fleet}:alive: token → lease expiry; negative score = condemned at that time
-- KEYS[2]  hash    {fleet}:meta
-- KEYS[3]  hash    {fleet}:serving: token → the mailboxes it serves
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  text    the process's token
-- ARGV[3]  int     lease, milliseconds
-- ARGV[4]  text    "register" (first beat of a token) | "beat" | "leave" (holds no entries) | "abandon" (dead from now on)
-- ARGV[5]  int     PARTITIONS
-- ARGV[6]  text    format of the data
-- ARGV[7]  uuid    the data's id, if it has none
-- ARGV[8]  text    who claims the data ("": nobody)
-- ARGV[9]  int     longest lease that another process may have left, milliseconds; 0: any. Given after Redis's clock was set back:
--          leases from before would else last as long as the step
-- ARGV[10] text    the mailboxes that the process serves, separated by spaces; "-": it does not say yet
-- reply    {"alive" | "condemned", milliseconds until the earliest other expiry (-1 = none), epoch milliseconds now,
--           {PARTITIONS, format, id of the data, whose it is}, processes of this role that are alive (1 while none is dead),
--           dead token, …}
-- cost     O(log processes + dead); while some are dead O(processes)
redis.call("ZREM", KEYS[1], "")
local token, lease, mode = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local meta = confirm_meta(KEYS[2], ARGV[5], ARGV[6], ARGV[7], ARGV[8])
local forget_millis = 600000
redis.call("ZREMRANGEBYSCORE", KEYS[1], -(now - forget_millis), -1)
local longest = tonumber(ARGV[9])
if longest > 0 then
  for _, member in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "(" .. now + longest, "+inf")) do
    redis.call("ZADD", KEYS[1], now + longest, member)
  end
end
if mode == "leave" then
  redis.call("ZREM", KEYS[1], token)
  redis.call("HDEL", KEYS[3], token)
  return { "alive", -1, now, meta, 1 }
end
if mode == "abandon" then
  redis.call("ZADD", KEYS[1], "XX", -now, token)
  redis.call("HDEL", KEYS[3], token)
  return { "condemned", -1, now, meta, 1 }
end
local score = tonumber(redis.call("ZSCORE", KEYS[1], token) or "nan")
local status = "alive"
if mode == "register" or (score and score > 0) then
  redis.call("ZADD", KEYS[1], now + lease, token)
  if ARGV[10] ~= "-" and redis.call("HGET", KEYS[3], token) ~= ARGV[10] then redis.call("HSET", KEYS[3], token, ARGV[10]) end
else
  status = "condemned"
end
local reply = { status, -1, now, meta, 1 }
-- tokens not yet condemned come first: many recent departures must not hide a process that died
for _, range in ipairs({ { 0, now }, { "-inf", "(0" } }) do
  for _, member in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], range[1], range[2], "LIMIT", 0, 100)) do
    if member ~= token then
      reply[#reply + 1] = member
      -- one that is only late says it again with its next beat
      redis.call("HDEL", KEYS[3], member)
    end
  end
end
for _, member in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "(" .. now, "+inf", "LIMIT", 0, 2)) do
  if member ~= token and reply[2] == -1 then
    reply[2] = math.max(0, tonumber(redis.call("ZSCORE", KEYS[1], member)) - now)
  end
end
-- how many share the crashes of a role (A2); a token is `<role>.<uuid>`
if #reply > 5 then
  local role, alive = string.match(token, "^(.*)%.") or token, 0
  for _, member in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "(" .. now, "+inf")) do
    if (string.match(member, "^(.*)%.") or member) == role then alive = alive + 1 end
  end
  reply[5] = math.max(1, alive)
end
return reply
