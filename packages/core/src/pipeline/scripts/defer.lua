-- packages/core/src/pipeline/scripts/defer.lua
-- Puts a job's stage off: to a durable timer, or straight back into its mailbox when it is due now. Used for retries,
-- rate limits and graceful release. One script, so that the job is at every moment in exactly one place (J1).
-- Counts only from the present holder (`by`): a failure of someone who lost the job changes nothing.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   uuid    job id
-- ARGV[3]   text    stage
-- ARGV[4]   text    mailbox the entry stands in
-- ARGV[5]   text    entry id
-- ARGV[6]   text    token of the begin
-- ARGV[7]   int     delay, milliseconds; 0 = back into the mailbox at once
-- ARGV[8]   "1"     give the attempt back (rate limit, release)
-- ARGV[9]   text    cause, "" = nothing to tell viewers
-- ARGV[10]  json    `retrying` event, open at its end: this script adds next_at and closes `result`
-- ARGV[11]  text    the stage's own mailbox: where the job comes back to, also when it was kept from another
-- reply     {"deferred", due} (again for a repeat) | {"lost", 0} | {"gone", 0}
-- cost      O(log open jobs)
pass_when_full()
local id, stage, mailbox, entry, token = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local delay, give_back, cause, retrying = tonumber(ARGV[7]), ARGV[8] == "1", ARGV[9], ARGV[10]
local home = ARGV[11]
local key = job_key(id)
local job = redis.call("HMGET", key, "state", "at", "cur", "by", "last", "cause", "deadline", "due")
if not job[1] then return { "gone", 0 } end
if job[5] == stage .. ":" .. token then return { "deferred", tonumber(job[8] or now) } end
if is_over(job[1]) or job[2] ~= stage or job[3] ~= mailbox .. ":" .. entry or job[4] ~= token then return { "lost", 0 } end

local due = now + delay
local record = { "last", stage .. ":" .. token, "by", "", "deliveries", 0, "due", due }
local function also(field, value)
  record[#record + 1] = field
  record[#record + 1] = value
end
take_off(mailbox, entry)
if give_back then redis.call("HINCRBY", key, "attempts", -1) end
local news = cause ~= "" and job[6] ~= stage .. ":" .. cause
if news then also("cause", stage .. ":" .. cause) end
if delay == 0 then
  place(id, home, "queued", now, unpack(record))
else
  redis.call("HSET", key, "state", "delayed", "cur", "", "home", home, unpack(record))
  redis.call("ZADD", root .. ":timers", math.min(due, tonumber(job[7])), id)
end
if news then emit(id, { retrying .. string.format(',"next_at":%.3f}', due / 1000) }) end
return { "deferred", due }
