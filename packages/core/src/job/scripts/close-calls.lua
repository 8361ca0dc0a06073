-- packages/core/src/job/scripts/close-calls.lua
-- Records the bills of an attempt's calls. It does not ask who holds the job: a call is billed, however late its answer came. One
-- script, so that rows and sums always agree.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   uuid    job id
-- ARGV[3..] five for each call: its id, outcome ("ok" | "billed-bad" | "uncertain" | "free"), cost in millionths ("-" = unknown),
--           tokens, json of the bill
-- reply     an array, one answer for each call: "closed" | "again" it has this or another bill already | "gone" there is no row
-- cost      O(calls of the job)
pass_when_full()
local id, answers = ARGV[2], {}
local f = read_fence(id)
for i = 3, #ARGV, 5 do
  local call, outcome = ARGV[i], ARGV[i + 1]
  local c = read_call(id, call)
  local known = c and c.outcome ~= "open" and c.outcome ~= "uncertain"
  if not c then
    redis.call("ZREM", root .. ":timers", call_timer(id, call)) -- the row expired with its job
    answers[#answers + 1] = "gone"
  elseif known then
    answers[#answers + 1] = "again"
  elseif outcome == "free" then
    redis.call("HINCRBY", calls_key(id), "free", 1) -- first, so that the hash is never empty and keeps its expiry
    redis.call("HDEL", calls_key(id), "c:" .. call)
    redis.call("ZREM", root .. ":timers", call_timer(id, call))
    answers[#answers + 1] = "closed"
  else
    c.outcome, c.cost, c.tokens, c.closed = outcome, ARGV[i + 2], ARGV[i + 3], now_text
    c.rest = string.match(c.rest, "^[^\n]*") .. "\n" .. ARGV[i + 4]
    write_call(id, call, c)
    answers[#answers + 1] = "closed"
  end
end
sum_calls(id, f and f.run or "")
return answers
