-- packages/core/src/job/scripts/calls.lua
-- Prelude: the ledger of a job's paid calls, a hash beside the job, `<job key>:calls`. A call has a field `c:<call id>`:
--   outcome cost tokens run opened closed <json of the request>     and, once it is closed, a line feed and the json of its bill
-- outcome: "open" it was sent, and its bill is not known yet | "ok" | "billed-bad" it is billed and its answer was of no use |
--          "uncertain" it may be billed. A call that turned out to be free leaves no field; the field `free` counts those.
-- cost: millionths of the currency of the prices, "-" = no price is known; opened, closed: epoch milliseconds, "-" = not yet.
-- An open call has a timer, so that it becomes uncertain even if nobody comes back to it.
-- The job's hash has the sums of all its calls in one field, `spent`, so that whoever reads the job reads them too.
-- Stands below job.lua.
-- KEYS, ARGV  none
-- reply       none (functions only)
-- cost        O(calls of the job) each
local function calls_key(id) return job_key(id) .. ":calls" end
local function call_timer(id, call) return "c:" .. id .. " " .. call end

-- Words that are no numbers count 0.
local function number_of(word) return tonumber(word) or 0 end

local function call_of(text)
  if not text then return nil end
  local outcome, cost, tokens, run, opened, closed, rest = string.match(text, "^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (.*)$")
  return outcome and { outcome = outcome, cost = cost, tokens = tokens, run = run, opened = opened, closed = closed, rest = rest }
end
local function read_call(id, call) return call_of(redis.call("HGET", calls_key(id), "c:" .. call)) end
local function write_call(id, call, c)
  redis.call("HSET", calls_key(id), "c:" .. call,
    table.concat({ c.outcome, c.cost, c.tokens, c.run, c.opened, c.closed, c.rest }, " "))
  if c.outcome ~= "open" then redis.call("ZREM", root .. ":timers", call_timer(id, call)) end
end
local function doubt_call(id, call, c)
  c.outcome, c.closed = "uncertain", now_text
  write_call(id, call, c)
end

-- All calls of a job, by call id, and how many were free.
local function read_calls(id)
  local flat, calls = redis.call("HGETALL", calls_key(id)), {}
  local free = 0
  for i = 1, #flat, 2 do
    if flat[i] == "free" then
      free = number_of(flat[i + 1])
    else
      calls[string.sub(flat[i], 3)] = call_of(flat[i + 1])
    end
  end
  return calls, free
end

-- Writes the sums into the job's hash, as eight words: ok, billed-bad, uncertain, open, free calls, cost, tokens, calls without a
-- price. Returns the sums of one run: calls that are or may be billed, cost, tokens.
local function sum_calls(id, run)
  local calls, free = read_calls(id)
  local counts = { ok = 0, ["billed-bad"] = 0, uncertain = 0, open = 0 }
  local cost, tokens, unpriced = 0, 0, 0
  local of_run = { calls = 0, cost = 0, tokens = 0 }
  for _, c in pairs(calls) do
    counts[c.outcome] = (counts[c.outcome] or 0) + 1
    cost, tokens = cost + number_of(c.cost), tokens + number_of(c.tokens)
    if c.cost == "-" and c.outcome ~= "open" then unpriced = unpriced + 1 end
    if c.run == run then
      of_run.calls = of_run.calls + 1
      of_run.cost, of_run.tokens = of_run.cost + number_of(c.cost), of_run.tokens + number_of(c.tokens)
    end
  end
  if redis.call("EXISTS", job_key(id)) == 1 then
    redis.call("HSET", job_key(id), "spent", string.format("%d %d %d %d %d %d %d %d", counts.ok, counts["billed-bad"],
      counts.uncertain, counts.open, free, cost, tokens, unpriced))
  end
  return of_run
end
