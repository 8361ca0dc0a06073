-- packages/core/src/limit/scripts/breaker-report.lua
-- Records the result of a call behind a breaker, and opens or closes the breaker. One script, so that a failure is counted once
-- (by its id, also when sent twice), and only the probe's holder reports the probe's result.
-- KEYS[1]  hash    the breaker, as in breaker.lua
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  text    failed | trip (open at once) | well | nothing (a probe that made no call)
-- ARGV[3]  uuid    id of the call, or the probe's token
-- ARGV[4]  int     number of failures that opens it
-- ARGV[5]  int     window in which they are counted, milliseconds
-- ARGV[6]  int     how long it opens the first time, milliseconds; doubled each time in a row
-- ARGV[7]  int     longest time it opens, milliseconds
-- ARGV[8]  int     successful calls of this process since its last report
-- reply    {"closed" | "open" | "half-open", ms left, 1 if this report opened or closed it, else 0}
-- cost     O(failures that open it)
local kind, id = ARGV[2], ARGV[3]
local threshold, within, first, longest, well = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local forget_millis = 3600000

local function tell(changed)
  local answer = state()
  answer[3] = changed
  return answer
end
local function open()
  open_until, lease = now + math.min(longest, first * 2 ^ math.min(times, 30)), 0
  redis.call("HSET", key, "until", int(open_until), "times", int(times + 1), "failed", failed, "seen", now_text)
  redis.call("HDEL", key, "probe", "lease")
  redis.call("PEXPIRE", key, int(open_until - now + forget_millis))
  return tell(1)
end

if probe == id and probe ~= "" then
  if kind == "failed" or kind == "trip" then return open() end
  if kind == "well" then
    redis.call("DEL", key)
    open_until = nil
    return tell(1)
  end
  redis.call("HDEL", key, "probe", "lease")
  lease = 0
  return tell(0)
end
if open_until then
  -- already open; a `trip` also counts while another fiber probes
  if kind == "trip" and now >= open_until and not string.find(failed, id, 1, true) then
    failed = int(now) .. ":0:" .. id
    return open()
  end
  return tell(0)
end
if kind ~= "failed" and kind ~= "trip" then return tell(0) end
if string.find(failed, id, 1, true) then return tell(0) end

local entries, successes = {}, 0
for time, before, its in string.gmatch(failed .. " " .. int(now) .. ":" .. well .. ":" .. id, "(%d+):(%d+):(%S+)") do
  if tonumber(time) > now - within then entries[#entries + 1] = { time, before, its } end
end
while #entries > threshold do table.remove(entries, 1) end
for i, entry in ipairs(entries) do
  if i > 1 then successes = successes + tonumber(entry[2]) end
  entries[i] = table.concat(entry, ":")
end
failed = table.concat(entries, " ")
-- failures among more successes are normal when there are many calls
if kind == "trip" or (#entries >= threshold and successes <= #entries) then return open() end
redis.call("HSET", key, "failed", failed, "seen", now_text)
redis.call("PEXPIRE", key, int(within))
return tell(0)
