-- packages/core/src/actor/scripts/reply.lua
-- Answers a call, unless the asker is gone. One script, because a full Redis refuses a single XADD; after a first write that is
-- never refused (an XACK of nothing) the XADD passes, so asks are answered even when Redis is full.
-- KEYS[1]  stream  {fleet}:replies:<process>
-- ARGV[1]  text    call
-- ARGV[2]  text    "reply" | "error" | "failed" | "large"
-- ARGV[3]  text    json of the reply or error, the reason of the failure, or the number of bytes
-- reply    1 stored | 0 the asker is gone
-- cost     O(1)
redis.call("XACK", KEYS[1], "", "0-0")
return redis.call("XADD", KEYS[1], "NOMKSTREAM", "*", "c", ARGV[1], "o", ARGV[2], "b", ARGV[3]) and 1 or 0
