-- packages/core/src/mailbox/scripts/depth.lua
-- How full a partition's mailboxes are, in one call for all of them: what /metrics and operators read. Read-only.
-- KEYS[1]   root   eco2:{p}
-- ARGV[1]   int    clock offset, milliseconds
-- ARGV[2]   text   consumer group
-- ARGV[3..] text   mailboxes
-- reply     an array, a mailbox: {entries, entries in work, age of the oldest in milliseconds (0 = empty)}
-- cost      O(mailboxes)
local clock = redis.call("TIME")
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000) + tonumber(ARGV[1])
local reply = {}
for i = 3, #ARGV do
  local key = KEYS[1] .. ":mailbox:" .. ARGV[i]
  local leased, age = 0, 0
  local pending = redis.pcall("XPENDING", key, ARGV[2])
  if not pending.err then leased = pending[1] end
  local first = redis.call("XRANGE", key, "-", "+", "COUNT", 1)[1]
  if first then
    -- the arrival is a field: an entry's id says when it was written, not when its work arrived
    for f = 1, #first[2], 2 do
      if first[2][f] == "ts" then age = math.max(0, now - tonumber(first[2][f + 1])) end
    end
  end
  reply[#reply + 1] = { redis.call("XLEN", key), leased, age }
end
return reply
