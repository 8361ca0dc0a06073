-- packages/core/src/limit/scripts/breaker.lua
-- Prelude of the scripts of a circuit breaker: reads its hash. Not a script of its own: it stands above breaker-ask and
-- breaker-report, below steady.lua. No `until`: closed. Once `until` has passed: half-open.
-- KEYS[1]  hash    seen and behind (steady.lua), until (open until, ms), times (openings in a row), probe (token of the
--                  probe), lease (its end, ms),
--                  failed: "time:successes:id …" of the latest failures; successes: those reported before it
-- ARGV[1]  int     milliseconds added to Redis's clock; 0 but in tests
-- reply    none (functions only)
-- cost     O(1)
local key = KEYS[1]
redis.call("HDEL", key, "") -- never refused
keep_clock()

local known = redis.call("HMGET", key, "until", "probe", "lease", "times", "failed")
local open_until, probe, lease = tonumber(known[1] or nil), known[2] or "", tonumber(known[3] or 0)
local times, failed = tonumber(known[4] or 0), known[5] or ""

-- closed | open and ms left | half-open and ms left of the probe's lease
local function state()
  if not open_until then return { "closed", 0 } end
  if now < open_until then return { "open", open_until - now } end
  return { "half-open", math.max(0, lease - now) }
end
