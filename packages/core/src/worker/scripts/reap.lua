-- packages/core/src/worker/scripts/reap.lua
-- Takes over the entries of a dead process in a partition's mailboxes, up to the caller's free slots, and removes the dead
-- consumer where it has no entries left. One script, so that a consumer is never deleted while entries are pending (DELCONSUMER
-- would lose them), and no entry is taken twice (A1).
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   text    consumer group
-- ARGV[2]   text    the dead consumer
-- ARGV[3]   text    the consumer that takes over
-- ARGV[4..] pairs:  mailbox, free slots
-- reply     {mailboxes with entries left, {mailbox, {entry id, {field, value, …}}, …}, …}: entries taken, with two further fields
--           for messages, which have no hash to count their crashes (A2, mailbox/Suspicion.ts): `deliveries`, the record of crashes,
--           and `fresh`, "1" unless the entry was still waiting for its turn
-- cost      O(entries taken)
redis.call("XACK", KEYS[1] .. ":mailbox:", ARGV[1], "0-0")
local group, dead, heir = ARGV[1], ARGV[2], ARGV[3]
local reply, left = {}, 0
local function field_of(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end
for i = 4, #ARGV, 2 do
  local key, free = KEYS[1] .. ":mailbox:" .. ARGV[i], tonumber(ARGV[i + 1])
  local taken = { ARGV[i] }
  if redis.call("EXISTS", key) == 1 then
    if free > 0 then
      for _, row in ipairs(redis.call("XPENDING", key, group, "-", "+", free, dead)) do
        -- Redis counts one for the first read; turn.lua has set it since, if the message was a suspect that ran
        local entry = redis.call("XRANGE", key, row[1], row[1])[1]
        local before = entry and field_of(entry[2], "deliveries")
        local count = before and row[4] == 1 and tonumber(before) or row[4]
        local claimed = redis.call("XCLAIM", key, group, heir, 0, row[1], "RETRYCOUNT", count)
        if claimed[1] then
          local fields = claimed[1][2]
          for _, text in ipairs({ "deliveries", string.format("%d", count), "fresh", before and count == tonumber(before) and "0" or "1" }) do
            fields[#fields + 1] = text
          end
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
