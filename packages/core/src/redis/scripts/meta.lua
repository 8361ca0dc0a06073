-- packages/core/src/redis/scripts/meta.lua
-- Prelude of the scripts that confirm `{fleet}:meta`: keyspace and beat. Not a script of its own.
-- KEYS, ARGV  none
-- reply       none (functions only)
-- cost        O(1)

-- What this Redis's data was written with; writes what is missing, so that a Redis that lost its data has it again with the next
-- beat. `fresh`: the id that the data gets if it has none; it changes only when the data was lost.
-- `installation`: who claims the data if nobody has; "": nobody.
-- Returns {PARTITIONS, format, id of the data, whose it is}.
local function confirm_meta(meta, partitions, format, fresh, installation)
  redis.call("HDEL", meta, "") -- a full Redis refuses nothing after a script's first write
  redis.call("HSETNX", meta, "PARTITIONS", partitions)
  redis.call("HSETNX", meta, "format", format)
  redis.call("HSETNX", meta, "data", fresh)
  if installation ~= "" then redis.call("HSETNX", meta, "INSTALLATION", installation) end
  local stored = redis.call("HMGET", meta, "PARTITIONS", "format", "data", "INSTALLATION")
  stored[4] = stored[4] or ""
  return stored
end
