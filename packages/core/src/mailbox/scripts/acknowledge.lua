-- packages/core/src/mailbox/scripts/acknowledge.lua
-- Ends deliveries of messages that were handled together. One script, so that an entry that is acknowledged is deleted too
-- and one that is deleted is pending nowhere. A success counts from anyone who held the entry (A1).
-- KEYS[1]   stream  the mailbox
-- ARGV[1]   text    consumer group
-- ARGV[2..] text    entry ids, a few thousand at most
-- reply     entries that were still there; the others had been handled before
-- cost      O(entries)
local ids = {}
for i = 2, #ARGV do ids[#ids + 1] = ARGV[i] end
redis.call("XACK", KEYS[1], ARGV[1], unpack(ids))
return redis.call("XDEL", KEYS[1], unpack(ids))
