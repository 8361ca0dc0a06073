-- packages/core/src/actor/scripts/inbox.lua
-- Creates the stream for a process's answers, or renews its expiry. One script, so that the stream never exists without an
-- expiry: nothing else would delete it.
-- KEYS[1]  stream  {fleet}:replies:<process>
-- ARGV[1]  int     time to live, milliseconds
-- reply    "made" | "renewed"
-- cost     O(1)
if redis.call("PEXPIRE", KEYS[1], ARGV[1]) == 1 then return "renewed" end
-- an entry trimmed at once: the empty stream exists, so that answers (NOMKSTREAM) are stored
redis.call("XADD", KEYS[1], "*", "c", "")
redis.call("XTRIM", KEYS[1], "MAXLEN", 0)
redis.call("PEXPIRE", KEYS[1], ARGV[1])
return "made"
