-- packages/core/src/job/scripts/scrub-later.lua
-- Finds delayed messages that have no timer any more, page by page, and makes them due now (A1). One script writes a message and
-- its timer, and one takes both away, so a message without a timer is damage, however young it is.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  int     where to go on in the messages: 0 at first, then the first part of the reply
-- reply    {where to go on, 0 at the end, {member of the timers, mailbox}, …}: the messages that had no timer
-- cost     O(log timers) for each of about a hundred messages
pass_when_full()
local later, timers = root .. ":later", root .. ":timers"
local page = redis.call("HSCAN", later, ARGV[2], "COUNT", 100)
local reply = { page[1] }
for i = 1, #page[2], 2 do
  local member = page[2][i]
  if not redis.call("ZSCORE", timers, member) then
    local read, message = pcall(cjson.decode, page[2][i + 1])
    redis.call("ZADD", timers, now, member)
    reply[#reply + 1] = { member, read and type(message.mailbox) == "string" and message.mailbox or "" }
  end
end
return reply
