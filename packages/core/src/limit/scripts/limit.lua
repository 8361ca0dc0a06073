-- packages/core/src/limit/scripts/limit.lua
-- Prelude of the scripts of a rate limit: its arithmetic. Not a script of its own: it stands below steady.lua and
-- above limit-take, -settle, -pause, -resume, -renew and -look, whose KEYS share the hash tag of the limit's name.
-- KEYS     those of the script below it
-- ARGV[1]  int     milliseconds added to Redis's clock; 0 but in tests
-- reply    none (functions only)
-- cost     O(1)
-- A sixtieth of the window: how long a grant counts beyond the window, and the width of a bucket of units.
local function slack_of(window) return math.max(1, math.ceil(window / 60)) end

-- Units are charged in buckets, of which there are more than a window has; a bucket's field holds its number and its units.
local buckets = 64
local function bucket_field(number) return "t" .. number % buckets end
local function add_units(state, number, units)
  local field = bucket_field(number)
  local held, amount = string.match(redis.call("HGET", state, field) or "", "^(%d+) (%d+)$")
  amount = tonumber(held) == number and tonumber(amount) or 0
  redis.call("HSET", state, field, int(number) .. " " .. int(math.max(0, amount + units)))
end

-- The units charged now: a list of { leaves, amount }, sorted by when they leave the window, and their sum.
local function charges(state, window)
  local names = {}
  for i = 0, buckets - 1 do names[i + 1] = "t" .. i end
  local slack, counted, total = slack_of(window), {}, 0
  for _, text in ipairs(redis.call("HMGET", state, unpack(names))) do
    local number, amount = string.match(text or "", "^(%d+) (%d+)$")
    number, amount = tonumber(number), tonumber(amount)
    if number and (number + 1) * slack > now - window then
      counted[#counted + 1] = { leaves = (number + 1) * slack + window, amount = amount }
      total = total + amount
    end
  end
  table.sort(counted, function(a, b) return a.leaves < b.leaves end)
  return counted, total
end

-- Sets the expiry of a key, never to an earlier time than before.
local function keep_for(key, millis)
  redis.call("PEXPIRE", key, int(millis), "NX")
  redis.call("PEXPIRE", key, int(millis), "GT")
end

-- A settled request is remembered by its id until no call of it can still arrive, so that a late or repeated call changes
-- nothing. The marks are in the set of grants; their score is the time they are dropped at, negative.
local settled_for = 30000
local function is_settled(held, id) return tonumber(redis.call("ZSCORE", held, id) or 0) < 0 end
local function mark_settled(held, id)
  redis.call("ZADD", held, int(-now - settled_for), id)
  keep_for(held, settled_for)
end
