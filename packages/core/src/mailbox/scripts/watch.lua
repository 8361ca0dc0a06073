-- packages/core/src/mailbox/scripts/watch.lua
-- Gives one process of the fleet the turn to look for mailboxes that nobody serves, and the names to look at. One script, so that
-- an idle process sends one command for both.
-- KEYS[1]  string  {fleet}:watch, held by whoever has the turn
-- KEYS[2]  set     {fleet}:mailboxes, the names of all mailboxes that were ever served
-- ARGV[1]  int     how long the turn is held, milliseconds
-- reply    {"1", name, …} | {"0"} (another process has the turn)
-- cost     O(names)
if not redis.call("SET", KEYS[1], "1", "NX", "PX", ARGV[1]) then return { "0" } end
local names = redis.call("SMEMBERS", KEYS[2])
table.insert(names, 1, "1")
return names
