-- packages/core/src/limit/scripts/breaker-look.lua
-- Reads a breaker for operators. Stands below breaker.lua.
-- KEYS[1]  hash    the breaker, as in breaker.lua
-- ARGV[1]  int     clock offset, milliseconds
-- reply    {"closed" | "open" | "half-open", ms left (half-open: of its probe), openings in a row, failures remembered,
--          1 if an operator opened it, else 0}
-- cost     O(failures that open it)
local answer = state()
local _, failures = string.gsub(failed, "%S+", "")
return { answer[1], answer[2], times, failures, redis.call("HEXISTS", key, "hand") }
