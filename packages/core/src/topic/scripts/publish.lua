-- packages/core/src/topic/scripts/publish.lua
-- Publishes one event: appends it to the topic's log and applies its changes to the topic's state. One script, so that the
-- state always names the last event it contains, and no reader sees one without the other.
-- KEYS[1]  stream  {fleet}:topic:<name>:log
-- KEYS[2]  hash    {fleet}:topic:<name>:state; the field "" is `<count> <entry id>` of the last event, the others the owner's
-- KEYS[3]  string  {fleet}:topic:<name>:sent:<token>: the earlier answer to this call, an entry id
-- ARGV[1]  int     about how many events the log keeps
-- ARGV[2]  int     fields the state may have
-- ARGV[3]  int     how long the answer is remembered, milliseconds
-- ARGV[4]  json    the event
-- ARGV[5..] text   changes, in order: "set" field value | "remove" field | "clear"
-- reply    {"published", entry id} | {"full", fields it would have}
-- cost     O(changes), and O(fields) to clear
local log, state, sent = KEYS[1], KEYS[2], KEYS[3]
local before = redis.call("GET", sent)
if before then return { "published", before } end

local cleared, known, fields = false, {}, redis.call("HLEN", state)
local last = redis.call("HGET", state, "")
if last then fields = fields - 1 end
local function note(field, there)
  local was = known[field]
  if was == nil then was = not cleared and redis.call("HEXISTS", state, field) == 1 end
  if was ~= there then fields = fields + (there and 1 or -1) end
  known[field] = there
end
local i = 5
while i <= #ARGV do
  if ARGV[i] == "set" then
    note(ARGV[i + 1], true)
    i = i + 3
  elseif ARGV[i] == "remove" then
    note(ARGV[i + 1], false)
    i = i + 2
  else
    cleared, known, fields = true, {}, 0
    i = i + 1
  end
end
if fields > tonumber(ARGV[2]) then return { "full", string.format("%d", fields) } end

-- a full Redis refuses only a script's first write, and never XACK: revocations and policies must get through
redis.call("XACK", log, "nobody", "0-0")
local count = tonumber(last and string.match(last, "^%d+") or "0") + 1
local count_text = string.format("%d", count)
local entry = redis.call("XADD", log, "MAXLEN", "~", ARGV[1], "*", "n", count_text, "e", ARGV[4])
i = 5
while i <= #ARGV do
  if ARGV[i] == "set" then
    redis.call("HSET", state, ARGV[i + 1], ARGV[i + 2])
    i = i + 3
  elseif ARGV[i] == "remove" then
    redis.call("HDEL", state, ARGV[i + 1])
    i = i + 2
  else
    redis.call("DEL", state)
    i = i + 1
  end
end
redis.call("HSET", state, "", count_text .. " " .. entry)
redis.call("SET", sent, entry, "PX", ARGV[3])
return { "published", entry }
