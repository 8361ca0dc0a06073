-- packages/core/src/job/scripts/defer.lua
-- Delays a job's stage: puts it on a durable timer, or back into its mailbox when the delay is 0. Used for retries, rate limits
-- and a graceful stop. One script, so that the job is always in exactly one place (J1). Counts only from the current holder
-- (`by`): a failure reported by a process that lost the job changes nothing.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   uuid    job id
-- ARGV[3]   text    stage
-- ARGV[4]   text    mailbox of the entry
-- ARGV[5]   text    entry id
-- ARGV[6]   text    token of the begin
-- ARGV[7]   int     delay, milliseconds; 0 = back into the mailbox at once
-- ARGV[8]   "1"     do not count the attempt (rate limit, graceful stop)
-- ARGV[9]   text    cause, "" = no event for viewers
-- ARGV[10]  json    `retrying` event without its end: this script adds next_at and closes `result`
-- ARGV[11]  text    the stage's own mailbox, to which the job returns, even when it was kept in another
-- reply     {"deferred", due} (also for a repeat) | {"lost", 0} | {"gone", 0}
-- cost      O(log open jobs)
pass_when_full()
local id, stage, mailbox, entry, token = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local delay, give_back, cause, retrying, home = tonumber(ARGV[7]), ARGV[8] == "1", ARGV[9], ARGV[10], ARGV[11]
local key = job_key(id)
local f = read_fence(id)
if not f then return { "gone", 0 } end
local known = redis.call("HMGET", key, "cause", "due")
if f.last == token then return { "deferred", tonumber(known[2] or now) } end
if is_over(f.state) or f.at ~= stage or f.cur ~= mailbox .. ":" .. entry or f.by ~= token then return { "lost", 0 } end

list_history(id, f)
local due = now + delay
local because = stage .. ":" .. cause
local news = cause ~= "" and known[1] ~= because
take_off_current(f)
f.last, f.deliveries, f.by = token, "0", "-"
if give_back then f.attempts = int(f.attempts - 1) end
if delay == 0 then
  place(id, f, home)
else
  f.state, f.since = "delayed", now_text
  redis.call("ZADD", root .. ":timers", int(math.min(due, tonumber(f.deadline))), id)
end
write_fence(id, f, "due", int(due), "home", home)
if news then
  redis.call("HSET", key, "cause", because)
  emit(id, f, { retrying .. string.format(',"next_at":%.3f}', due / 1000) })
end
return answer({ "deferred", due })
