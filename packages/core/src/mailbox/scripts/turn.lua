-- packages/core/src/mailbox/scripts/turn.lua
-- Records in Redis's delivery counter that a suspect message begins to run, before its handler does, so that a crash is counted
-- and a crash while it waited is not (A2). One script, so that an entry that others have taken over is not taken back (A1).
-- KEYS[1]  stream  eco2:{p}:mailbox:<actor>
-- ARGV[1]  text    consumer group
-- ARGV[2]  text    consumer that holds the entry
-- ARGV[3]  text    entry id
-- ARGV[4]  int     the record of crashes, if this run ends in one (mailbox/Suspicion.ts)
-- reply    "held" | "lost"
-- cost     O(log entries in work)
local pending = redis.call("XPENDING", KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
if #pending == 0 or pending[1][2] ~= ARGV[2] then return "lost" end
redis.call("XCLAIM", KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], "RETRYCOUNT", ARGV[4], "JUSTID")
return "held"
