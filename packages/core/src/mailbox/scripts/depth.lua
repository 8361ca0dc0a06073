-- packages/core/src/mailbox/scripts/depth.lua
-- Reads how full the mailboxes of a partition are, in one call for all, for /metrics and operators. Read-only.
-- KEYS[1]   root   eco2:{p}
-- ARGV[1]   int    clock offset, milliseconds
-- ARGV[2]   text   consumer group
-- ARGV[3..] text   mailboxes
-- reply     an array; for each mailbox {entries, entries in work, age of the oldest in milliseconds (0 = empty), jobs and
--           messages on timers due there within a minute, among the first thousand timers, dead letters}
-- cost      O(mailboxes + timers due within a minute, 1000 at most)
local reply = {}

-- retries, parked jobs and delayed messages that are due soon: an autoscaler must count this work
local due = {}
for _, member in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1] .. ":timers", "-inf", int(now + 60000), "LIMIT", 0, 1000)) do
  local home
  if string.sub(member, 1, 2) == "m:" then
    home = string.match(redis.call("HGET", KEYS[1] .. ":later", member) or "", '"mailbox":"([^"]*)"')
  else
    local job = redis.call("HMGET", KEYS[1] .. ":job:" .. member, "now", "home")
    local state = string.match(job[1] or "", "^(%S+)")
    home = (state == "delayed" or state == "parked") and job[2]
  end
  if home then due[home] = (due[home] or 0) + 1 end
end
for i = 3, #ARGV do
  local key = KEYS[1] .. ":mailbox:" .. ARGV[i]
  local leased, age = 0, 0
  local pending = redis.pcall("XPENDING", key, ARGV[2])
  -- a mailbox without a group; any other refusal is the caller's to know
  if pending.err and not string.find(pending.err, "NOGROUP", 1, true) then error(pending) end
  if not pending.err then leased = pending[1] end
  local first = redis.call("XRANGE", key, "-", "+", "COUNT", 1)[1]
  if first then
    -- the arrival is a field: the entry's id has the time it was written, which may be later
    for f = 1, #first[2], 2 do
      if first[2][f] == "ts" then age = math.max(0, now - tonumber(first[2][f + 1])) end
    end
  end
  reply[#reply + 1] = { redis.call("XLEN", key), leased, age, due[ARGV[i]] or 0,
    redis.call("XLEN", KEYS[1] .. ":dead:" .. ARGV[i]) }
end
return reply
