-- packages/core/src/worker/scripts/pending.lua
-- Lists the entries that a process holds in one partition, and the other consumers there, for reconciliation (A4) and the
-- search for dead consumers (A1), in one call. Read-only.
-- KEYS[1]   root   eco2:{p}
-- ARGV[1]   text   consumer group
-- ARGV[2]   text   the process's consumer
-- ARGV[3]   int    entries listed a mailbox at most
-- ARGV[4]   "1"    list other consumers too
-- ARGV[5..] text   mailboxes
-- reply     {{mailbox, entry id, …}, …, {other consumer, …}}; for a mailbox without a group {mailbox}
-- cost      O(entries held + consumers)
local group, me, most = ARGV[1], ARGV[2], ARGV[3]
local reply, others, seen = {}, {}, {}
for i = 5, #ARGV do
  local key = KEYS[1] .. ":mailbox:" .. ARGV[i]
  local mine = { ARGV[i] }
  local rows = redis.pcall("XPENDING", key, group, "-", "+", most, me)
  -- a mailbox without a group; any other refusal is the caller's to know
  if rows.err and not string.find(rows.err, "NOGROUP", 1, true) then error(rows) end
  if not rows.err then
    for _, row in ipairs(rows) do mine[#mine + 1] = row[1] end
    if ARGV[4] == "1" then
      for _, consumer in ipairs(redis.call("XINFO", "CONSUMERS", key, group)) do
        local name = consumer[2]
        if name ~= me and not seen[name] then
          seen[name] = true
          others[#others + 1] = name
        end
      end
    end
  end
  reply[#reply + 1] = mine
end
reply[#reply + 1] = others
return reply
