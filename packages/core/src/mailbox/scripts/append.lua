-- packages/core/src/mailbox/scripts/append.lua
-- Adds one message to a mailbox, or refuses it at capacity. One script, so that two senders cannot both take the last place.
-- KEYS[1]  stream  the mailbox; its length is the depth, because acknowledged entries are deleted
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  int     capacity, entries
-- ARGV[3]  text    message type
-- ARGV[4]  json    message body
-- ARGV[5]  text    of an ask: `<process> <call>`, else ""
-- ARGV[6]  int     of an ask: its deadline, milliseconds from now
-- reply    {"appended", entry id} | {"full", depth}
-- cost     O(1)
local depth = redis.call("XLEN", KEYS[1])
if depth >= tonumber(ARGV[2]) then return { "full", tostring(depth) } end
if ARGV[5] == "" then
  return { "appended", redis.call("XADD", KEYS[1], "*", "type", ARGV[3], "body", ARGV[4], "ts", now) }
end
local ask = ARGV[5] .. " " .. int(now + tonumber(ARGV[6]))
return { "appended", redis.call("XADD", KEYS[1], "*", "type", ARGV[3], "body", ARGV[4], "ask", ask, "ts", now) }
