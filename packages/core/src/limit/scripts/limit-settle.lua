-- packages/core/src/limit/scripts/limit-settle.lua
-- Ends requests to one limit: gives permits back, corrects the charged units to the used ones, leaves the line. One script, so
-- that a request is settled once. Units used beyond the estimate are charged now, however long ago the request was granted;
-- unused units are subtracted where they were charged. The request itself stays charged (L1).
-- KEYS[1]   hash    state, as in limit-take
-- KEYS[2]   zset    the line
-- KEYS[3]   zset    grants remembered, leases of permits; negative: settled
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     window, milliseconds
-- ARGV[3..] four for each request:
--           uuid    its id
--           text    name of the place to give back, "" for none
--           int     units used, -1 = as many as were taken
--           int     units taken, for a request no longer remembered
-- reply     an array: 1, or 0 for a request settled before
-- cost      O(log waiting) for each request
local state, line, held = KEYS[1], KEYS[2], KEYS[3]
redis.call("ZREM", line, "") -- never refused
keep_clock()
local window = tonumber(ARGV[2])
local slack = slack_of(window)

local function settle(id, who, used, taken)
  if who ~= "" then
    redis.call("ZREM", line, who)
    redis.call("HDEL", state, "w:" .. who)
  end
  if is_settled(held, id) then return 0 end
  local at, bucket, units = string.match(redis.call("HGET", state, "u:" .. id) or "", "^(%d+) %d+ (%d+) (%d+)$")
  redis.call("HDEL", state, "u:" .. id)
  mark_settled(held, id)
  bucket, units = tonumber(bucket), tonumber(units or taken)
  if used > units then
    add_units(state, math.floor(now / slack), used - units)
    keep_for(state, window + slack)
  elseif bucket and used >= 0 and used < units and (bucket + 1) * slack > now - window then
    add_units(state, bucket, used - units)
  end
  if at then
    local hold = tonumber(redis.call("HGET", state, "hold") or 200)
    redis.call("HSET", state, "hold", int(hold * 0.8 + (now - tonumber(at)) * 0.2))
  end
  return 1
end

local answers = {}
for i = 3, #ARGV, 4 do
  answers[#answers + 1] = settle(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]))
end
return answers
