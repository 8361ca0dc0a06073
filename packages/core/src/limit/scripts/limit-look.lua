-- packages/core/src/limit/scripts/limit-look.lua
-- Reads the state of a limit for operators. One script, so that all values are of one moment. Read-only.
-- KEYS[1]  hash    state, as in limit-take
-- KEYS[2]  list    times of the last grants, oldest first
-- KEYS[3]  zset    the line
-- KEYS[4]  zset    grants remembered, permits with their leases
-- ARGV[1]  int     clock offset, milliseconds
-- reply    an array of ints: milliseconds left of a pause · waiters present · waiters away until their time · window,
--          milliseconds · requests allowed · requests granted in the window · units allowed · units charged · permits allowed ·
--          permits held · 1 if the limit is known, 0 if nothing of it is left. 0 allowed: no limit, or unknown because nothing was granted lately
-- cost     O(log grants) look-ups in the list
local state, grants, line, held = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local known = redis.call("HMGET", state, "until", "as")
local paused = math.max(0, tonumber(known[1] or 0) - now)
local window, requests, units, permits = string.match(known[2] or "", "^(%d+) (%d+) (%d+) (%d+)$")
window, requests, units, permits = tonumber(window or 0), tonumber(requests or 0), tonumber(units or 0), tonumber(permits or 0)
local first, past = 0, redis.call("LLEN", grants)
local last = past
while first < past do
  local middle = math.floor((first + past) / 2)
  if tonumber(redis.call("LINDEX", grants, middle)) > now - window then past = middle else first = middle + 1 end
end
local _, charged = {}, 0
if units > 0 then _, charged = charges(state, window) end
return {
  paused,
  redis.call("ZCOUNT", line, "(0", "+inf"),
  redis.call("ZCOUNT", line, "-inf", "(0"),
  window,
  requests,
  requests > 0 and last - first or 0,
  units,
  charged,
  permits,
  permits > 0 and redis.call("ZCOUNT", held, "(" .. int(now), "+inf") or 0,
  redis.call("EXISTS", state)
}
