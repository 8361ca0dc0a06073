-- packages/core/src/actor/scripts/reply.lua
-- Answers a call, unless who asked is gone. One script, because a full Redis refuses a bare XADD: after a first write that
-- is never refused (it acknowledges nothing) the rest passes, so what is asked is answered while the fleet drains.
-- KEYS[1]  stream  {fleet}:replies:<process>
-- ARGV[1]  text    call
-- ARGV[2]  text    "reply" | "error" | "failed" | "large"
-- ARGV[3]  text    json of the reply or error, why it failed, or bytes
-- reply    1 told | 0 nobody waits there
-- cost     O(1)
redis.call("XACK", KEYS[1], "", "0-0")
return redis.call("XADD", KEYS[1], "NOMKSTREAM", "*", "c", ARGV[1], "o", ARGV[2], "b", ARGV[3]) and 1 or 0
