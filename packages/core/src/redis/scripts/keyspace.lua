-- packages/core/src/redis/scripts/keyspace.lua
-- Confirms what this Redis's data was written with. One script, so that of two processes with different settings that meet an
-- empty Redis one decides, and the other learns it. Stands below meta.lua.
-- KEYS[1]  hash    {fleet}:meta
-- ARGV[1]  int     PARTITIONS
-- ARGV[2]  text    format of the data
-- ARGV[3]  uuid    the data's id, if it has none
-- reply    {PARTITIONS, format, id of the data}, as stored
-- cost     O(1)
return confirm_meta(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
