-- packages/core/src/job/scripts/open-call.lua
-- Records a paid call before it is made, if its attempt still holds the job and the job's budget has room. One script, so that a
-- call without a record is never made, and two calls never take the budget's last place. Open calls of earlier attempts become
-- uncertain: nobody will report their bills.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  uuid    job id
-- ARGV[3]  text    token of the attempt's begin
-- ARGV[4]  int     number of the call in this attempt; the call's id is `<token>#<number>`
-- ARGV[5]  int     milliseconds after which it is uncertain unless it is closed
-- ARGV[6]  int     calls allowed in this run of the job, free ones apart; 0 = any number
-- ARGV[7]  int     cost allowed in this run, millionths; 0 = any
-- ARGV[8]  int     tokens allowed in this run; 0 = any
-- ARGV[9]  json    the request: stage, attempt, service, fingerprint
-- reply    {"open", number, json, …}  it is recorded (or was, for a repeat); each json is the request of a call that this script
--          has made uncertain
--          {"calls" | "cost" | "tokens", used, json, …}  that budget is spent; nothing was recorded
--          {"over", 0}  the attempt no longer holds the job; nothing was recorded
-- cost     O(calls of the job)
pass_when_full()
local id, token = ARGV[2], ARGV[3]
local call = token .. "#" .. ARGV[4]
local f = read_fence(id)
if not f or f.by ~= token then return { "over", 0 } end
local reply = { "open", 0 }
local calls = read_calls(id)
if calls[call] then return reply end
for other, c in pairs(calls) do
  if c.outcome == "open" and string.match(other, "^(.*)#") ~= token then
    doubt_call(id, other, c)
    reply[#reply + 1] = c.rest
  end
end
local spent = sum_calls(id, f.run)
for i, what in ipairs({ "calls", "cost", "tokens" }) do
  local most = tonumber(ARGV[5 + i])
  if most > 0 and spent[what] >= most then
    reply[1], reply[2] = what, spent[what]
    return reply
  end
end
write_call(id, call, { outcome = "open", cost = "-", tokens = "0", run = f.run, opened = now_text, closed = "-", rest = ARGV[9] })
redis.call("ZADD", root .. ":timers", int(now + tonumber(ARGV[5])), call_timer(id, call))
sum_calls(id, f.run)
return reply
