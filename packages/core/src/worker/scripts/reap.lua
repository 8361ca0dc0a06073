-- packages/core/src/worker/scripts/reap.lua
-- Takes over what a dead process left in a partition's mailboxes, as much as the caller has free slots for, and removes
-- the dead consumer where nothing is left of it. One script, so that a consumer is never deleted with entries still
-- pending (DELCONSUMER would destroy them) and no entry is taken twice (A1).
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   text    consumer group
-- ARGV[2]   text    the dead consumer
-- ARGV[3]   text    the consumer that takes over
-- ARGV[4..] pairs:  mailbox, free slots
-- reply     {left over, {mailbox, {entry id, {field, value, …}}, …}, …}: entries taken, with how often they were delivered before as a further field; left over = still to be taken
-- cost      O(entries taken)
redis.call("XACK", KEYS[1] .. ":mailbox:", ARGV[1], "0-0")
local group, dead, heir = ARGV[1], ARGV[2], ARGV[3]
local reply, left = {}, 0
for i = 4, #ARGV, 2 do
  local key, free = KEYS[1] .. ":mailbox:" .. ARGV[i], tonumber(ARGV[i + 1])
  local taken = { ARGV[i] }
  if redis.call("EXISTS", key) == 1 then
    if free > 0 then
      for _, row in ipairs(redis.call("XPENDING", key, group, "-", "+", free, dead)) do
        local claimed = redis.call("XCLAIM", key, group, heir, 0, row[1])
        if claimed[1] then
          local fields = claimed[1][2]
          fields[#fields + 1] = "deliveries" -- before this one: a message has no hash to count them in (A2)
          fields[#fields + 1] = tostring(row[4])
          taken[#taken + 1] = claimed[1]
        end
      end
    end
    local rest = redis.call("XPENDING", key, group, "-", "+", 1, dead)
    if #rest == 0 then redis.call("XGROUP", "DELCONSUMER", key, group, dead) else left = left + 1 end
  end
  reply[#reply + 1] = taken
end
table.insert(reply, 1, left)
return reply
