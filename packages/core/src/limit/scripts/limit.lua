-- packages/core/src/limit/scripts/limit.lua
-- Prelude of the scripts of a rate limit: its arithmetic. Not a script of its own: it stands below redis/scripts/clock.lua and above limit-take,
-- limit-settle, limit-pause, limit-resume, limit-renew and limit-look, whose KEYS share the hash tag of the limit's name.
-- KEYS     as of the script beneath
-- ARGV[1]  int     milliseconds added to Redis's clock; 0 but in tests
-- reply    none (functions only)
-- cost     O(1)
-- A window is cut into sixtieths: the slack a request's grant is kept beyond it, and the width of a bucket of units.
local function slack_of(window) return math.max(1, math.ceil(window / 60)) end

-- Units are charged in buckets, two more than a window has; a bucket's field says which one it holds and how much.
local buckets = 64
local function bucket_field(number) return "t" .. number % buckets end
local function add_units(state, number, units)
  local field = bucket_field(number)
  local held, amount = string.match(redis.call("HGET", state, field) or "", "^(%d+) (%d+)$")
  amount = tonumber(held) == number and tonumber(amount) or 0
  redis.call("HSET", state, field, int(number) .. " " .. int(math.max(0, amount + units)))
end

-- The units that count at present: a list of { leaves, amount }, what leaves the window first before others, and their sum.
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

-- A key that is not used goes away by itself: never sooner than it was told before.
local function keep_for(key, millis)
  redis.call("PEXPIRE", key, int(millis), "NX")
  redis.call("PEXPIRE", key, int(millis), "GT")
end

-- A request that is settled is remembered under its id until nothing of it can still be on its way: what comes late, or a
-- second time, changes nothing. Marks stand among the grants, as the time they are dropped at, negative.
local settled_for = 30000
local function is_settled(held, id) return tonumber(redis.call("ZSCORE", held, id) or 0) < 0 end
local function mark_settled(held, id)
  redis.call("ZADD", held, int(-now - settled_for), id)
  keep_for(held, settled_for)
end
