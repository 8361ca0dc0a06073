-- packages/core/src/actor/scripts/inbox.lua
-- Makes the stream a process gets its answers in, or gives it longer to live. One script, so that it never lies there without
-- an expiry: nobody would clear it away.
-- KEYS[1]  stream  {fleet}:replies:<process>
-- ARGV[1]  int     time to live, milliseconds
-- reply    "made" | "renewed"
-- cost     O(1)
if redis.call("PEXPIRE", KEYS[1], ARGV[1]) == 1 then return "renewed" end
-- an entry at once trimmed: what is empty is still there for answers that make no stream
redis.call("XADD", KEYS[1], "*", "c", "")
redis.call("XTRIM", KEYS[1], "MAXLEN", 0)
redis.call("PEXPIRE", KEYS[1], ARGV[1])
return "made"
