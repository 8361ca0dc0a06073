-- packages/core/src/mailbox/scripts/acknowledge.lua
-- Ends deliveries of messages that were handled together. One script, so that an acknowledged entry is always deleted, and a
-- deleted entry is never pending. A success counts from any process that held the entry (A1).
-- KEYS[1]   stream  the mailbox
-- ARGV[1]   text    consumer group
-- ARGV[2..] text    entry ids, a few thousand at most
-- reply     number of entries that still existed; the others were handled before
-- cost      O(entries)
local ids = {}
for i = 2, #ARGV do ids[#ids + 1] = ARGV[i] end
redis.call("XACK", KEYS[1], ARGV[1], unpack(ids))
return redis.call("XDEL", KEYS[1], unpack(ids))
