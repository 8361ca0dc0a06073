-- packages/core/src/limit/scripts/limit-take.lua
-- Grants requests to one limit, or gives them a place in its line. One script, so that no two processes are granted the same
-- capacity (L1), and the first to come is served first.
-- A request is granted when all present or due waiters before it could be granted too. Otherwise it gets a time to come back:
-- within its patience it waits (`line`, by number); beyond it, it is away until then (`line`, by time) and keeps its place under
-- its name. A waiter more than two seconds late blocks nobody, and is still first when it comes. Unclaimed capacity goes to the
-- next waiter present.
-- KEYS[1]   hash    state: seen and behind (steady.lua), until (paused), tat (when bursts are spaced), seq, hold (mean life of
--                   a permit, ms), t0…t63 (units),
--                   as "window requests units permits", as declared at the last grant (for limit-look),
--                   w:<who> "seq due joined units" of a waiter, u:<id> "at waited bucket units" of a recent grant
-- KEYS[2]   list    times of the last grants, oldest first
-- KEYS[3]   zset    the line: a waiter present by its number; one away by the time it is due, negative
-- KEYS[4]   zset    grants remembered → until when; where permits are counted, their leases; negative: settled (limit.lua)
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     window, milliseconds
-- ARGV[3]   int     requests in a window, 0 = any number
-- ARGV[4]   int     burst: requests granted at once before they are spaced evenly, 0 = the whole window's
-- ARGV[5]   int     units in a window, 0 = any number
-- ARGV[6]   int     permits held at once, 0 = any number
-- ARGV[7]   int     lease of a permit, milliseconds
-- ARGV[8..] four for each request:
--           uuid    id of the request; a repeated id is not charged again
--           text    name under which its place is kept until it comes back, "" for none
--           int     units it is expected to use
--           int     patience: milliseconds the caller may wait
-- reply     an array, one answer for each request:
--           {"granted", at, waited ms} | {"wait", ms, paused}: ask again then | {"booked", ms, paused}: ask again then, the
--           place is kept | {"refused", ms, paused}: no place is kept. paused is 1 during a pause, else 0
-- cost      O(log waiting) for each request while nothing is free, else O(waiters before it, at most 512)
local state, grants, line, held = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
redis.call("ZREM", line, "") -- never refused: work in progress must get its permits when Redis is full
keep_clock()
local window, requests, burst, units_limit = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local permits, lease = tonumber(ARGV[6]), tonumber(ARGV[7])
local slack = slack_of(window)
local whole = window + slack
local grace, most_ahead, lead = 2000, 256, 2000
local kept = math.max(60000, whole)
local remembered = permits > 0 and lease or math.max(units_limit > 0 and whole or 0, 30000)

-- drops expired entries
for _, id in ipairs(redis.call("ZRANGEBYSCORE", held, int(-now), int(now), "LIMIT", 0, 20)) do
  redis.call("ZREM", held, id)
  redis.call("HDEL", state, "u:" .. id)
end
local function forget(who)
  redis.call("ZREM", line, who)
  redis.call("HDEL", state, "w:" .. who)
end
for _, who in ipairs(redis.call("ZRANGEBYSCORE", line, "(" .. int(kept - now), "(0", "LIMIT", 0, 20)) do forget(who) end
for _, who in ipairs(redis.call("ZRANGEBYSCORE", line, "(0", "+inf", "LIMIT", 0, 5)) do
  local due = string.match(redis.call("HGET", state, "w:" .. who) or "", "^%d+ (%d+)")
  if not due or tonumber(due) < now - kept then forget(who) end
end

-- When a request for `units` could be granted after `n` others with `before` units in all.
local function earliest(n, before, units)
  local known = redis.call("HMGET", state, "until", "tat", "hold")
  local at = math.max(now, tonumber(known[1] or 0))
  if requests > 0 then
    local place = redis.call("LLEN", grants) - requests + n % requests
    if place >= 0 then at = math.max(at, tonumber(redis.call("LINDEX", grants, place)) + whole) end
    at = at + math.floor(n / requests) * whole
  end
  if requests > 0 and burst > 0 then
    at = math.max(at, math.ceil(tonumber(known[2] or 0) + (n + 1 - burst) * window / requests))
  end
  if units_limit > 0 then
    local counted, total = charges(state, window)
    local missing = total + before + units - units_limit
    for _, charge in ipairs(counted) do
      if missing <= 0 then break end
      missing = missing - charge.amount
      at = math.max(at, charge.leaves)
    end
    if missing > 0 then at = at + math.ceil(missing / units_limit) * whole end
  end
  if permits > 0 then
    local free = permits - redis.call("ZCOUNT", held, "(" .. int(now), "+inf")
    if n >= free then
      local guess = tonumber(known[3] or 200) * (n - free + 1) / permits
      at = math.max(at, now + math.ceil(math.min(1000, math.max(20, guess))))
    end
  end
  return at
end

-- The waiters present, or due, before this number: how many, and their units. Late ones are not counted.
local function ahead(seq)
  local n, units = 0, 0
  local there = redis.call("ZRANGEBYSCORE", line, "(0", seq and "(" .. seq or "+inf", "LIMIT", 0, most_ahead)
  for _, who in ipairs(redis.call("ZRANGEBYSCORE", line, int(-now), int(grace - now), "LIMIT", 0, most_ahead)) do
    there[#there + 1] = who
  end
  if #there == 0 then return 0, 0 end
  for i, who in ipairs(there) do there[i] = "w:" .. who end
  for _, text in ipairs(redis.call("HMGET", state, unpack(there))) do
    local its, due, _, want = string.match(text or "", "^(%d+) (%d+) (%d+) (%d+)$")
    if its and tonumber(due) + grace >= now and (not seq or tonumber(its) < seq) then
      n, units = n + 1, units + tonumber(want)
    end
  end
  return n, units
end

local function grant(id, joined, units)
  local bucket, waited = math.floor(now / slack), now - joined
  if requests > 0 then
    redis.call("RPUSH", grants, int(now))
    redis.call("LTRIM", grants, -requests, -1)
    redis.call("PEXPIRE", grants, int(whole))
  end
  if requests > 0 and burst > 0 then
    local tat = math.max(now, tonumber(redis.call("HGET", state, "tat") or 0)) + window / requests
    redis.call("HSET", state, "tat", string.format("%.3f", tat))
  end
  if units_limit > 0 then add_units(state, bucket, units) end
  redis.call("ZADD", held, int(now + remembered), id)
  redis.call("HSET", state, "seen", now_text, "u:" .. id, now_text .. " " .. int(waited) .. " " .. int(bucket) .. " " .. int(units),
    "as", int(window) .. " " .. int(requests) .. " " .. int(units_limit) .. " " .. int(permits))
  keep_for(state, math.max(kept, remembered))
  keep_for(held, remembered)
  return { "granted", now, waited }
end

local function take(id, place, units, patience)
  local at, waited = string.match(redis.call("HGET", state, "u:" .. id) or "", "^(%d+) (%d+)")
  if at then return { "granted", tonumber(at), tonumber(waited) } end
  if is_settled(held, id) then return { "refused", 0, 0 } end -- withdrawn before this arrived; nobody reads the answer
  local who = place ~= "" and place or id
  if units_limit > 0 then units = math.min(units, units_limit) else units = 0 end
  local seq, due, joined = string.match(redis.call("HGET", state, "w:" .. who) or "", "^(%d+) (%d+) (%d+)")
  seq, due, joined = tonumber(seq), tonumber(due), tonumber(joined or now)

  local time = earliest(0, 0, units)
  if time <= now then
    local n, before = ahead(seq)
    time = earliest(n, before, units)
    if time <= now then
      if seq then forget(who) end
      return grant(id, joined, units)
    end
  end
  -- an estimate: after all waiters before it, also those away until an earlier time
  local n = redis.call("ZCOUNT", line, "(0", seq and "(" .. seq or "+inf")
    + redis.call("ZCOUNT", line, due and "(" .. int(-due) or "-inf", int(grace - now))
  time = math.max(time, earliest(n, n * units, units))

  local millis = math.ceil(time - now)
  local paused = tonumber(redis.call("HGET", state, "until") or 0) > now and 1 or 0
  if millis > patience and place == "" then
    forget(who)
    return { "refused", millis, paused }
  end
  if not seq then seq = redis.call("HINCRBY", state, "seq", 1) end
  redis.call("HSET", state, "w:" .. who, int(seq) .. " " .. int(time) .. " " .. int(joined) .. " " .. int(units))
  redis.call("ZADD", line, millis > patience and int(-time) or int(seq), who)
  keep_for(state, millis + kept)
  keep_for(line, millis + kept)
  if millis <= patience then return { "wait", millis, paused } end
  -- Comes back a little early: a waiter present at its time is served to the millisecond. Units settled below their estimate
  -- shorten the wait, so the longer the wait, the earlier it comes back.
  local early = math.min(lead, patience / 2)
  if units_limit > 0 then early = math.max(early, millis / 5) end
  if paused == 1 and requests == 0 then early = 0 end -- nothing spaces these waiters: jitter spreads them after the pause
  return { "booked", math.max(1, math.floor(millis - early)), paused }
end

local answers = {}
for i = 8, #ARGV, 4 do
  answers[#answers + 1] = take(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]))
end
return answers
