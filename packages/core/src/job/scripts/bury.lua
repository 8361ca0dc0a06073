-- packages/core/src/job/scripts/bury.lua
-- Gives an attempt up and writes a dead letter with the cause. A cause that cannot heal, or whose rounds are used up, fails the
-- job. A cause that may heal parks it: it waits on a timer for its next round, and viewers see `retrying`. One script, so that a
-- failed job always has its dead letter and exactly one terminal event (J1). Counts only from the current holder (`by`).
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   uuid    job id
-- ARGV[3]   text    stage
-- ARGV[4]   text    mailbox of the entry
-- ARGV[5]   text    entry id
-- ARGV[6]   text    token of the begin
-- ARGV[7]   text    cause: an error's tag
-- ARGV[8]   text    message
-- ARGV[9]   json    `error` of the job's result
-- ARGV[10]  json    `failed` event, members without braces
-- ARGV[11]  int     JOB_TTL, milliseconds
-- ARGV[12]  int     LETTER_TTL, milliseconds; a job with a letter is kept as long
-- ARGV[13]  text    the stage's own mailbox, to whose dead letters the letter is added
-- ARGV[14]  int     USER_CONCURRENCY
-- ARGV[15]  int     how often a job may be parked, 0 = fail at once
-- ARGV[16]  int     milliseconds until the next round
-- ARGV[17]  json    `retrying` event without its end: this script adds next_at and closes `result`
-- reply     {"buried" (failed) | "parked", letter id, due} (also for a repeat) | {"lost", "", 0} | {"gone", "", 0}
-- cost      O(log open jobs)
pass_when_full()
local id, stage, mailbox, entry, token = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local cause, message, failure, failed, ttl, letter_ttl = ARGV[7], ARGV[8], ARGV[9], ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12])
local home, limit, rounds, pause, retrying = ARGV[13], tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16]), ARGV[17]
local key = job_key(id)
local f = read_fence(id)
if not f then return { "gone", "", 0 } end
local known = redis.call("HMGET", key, "rounds", "due", "cause")
if f.last == token then
  return { f.state == "failed" and "buried" or "parked", f.letter, tonumber(known[2] or now) }
end
if is_over(f.state) or f.at ~= stage or f.cur ~= mailbox .. ":" .. entry or f.by ~= token then return { "lost", "", 0 } end

list_history(id, f)
local round = tonumber(known[1] or 0) + 1
local due = now + pause
local parks = round <= rounds and due < tonumber(f.deadline)
take_off_current(f)
remove_letter(f)
f.letter = write_letter(home, letter_ttl, id, stage, cause, message, f.attempts, f.since, f.run)
f.last = token
if parks then
  local because = stage .. ":" .. cause
  f.state, f.by, f.since, f.attempts, f.deliveries = "parked", "-", now_text, "0", "0"
  write_fence(id, f, "error", failure, "home", home, "due", int(due), "rounds", round, "cause", because)
  redis.call("ZADD", root .. ":timers", int(due), id)
  if known[3] ~= because then emit(id, f, { retrying .. string.format(',"next_at":%.3f}', due / 1000) }) end
  return answer({ "parked", f.letter, due })
end
f.pipeline, f.cause = string.match(home, "^([^.]+)%."), cause
finish(id, f, "failed", { failed }, ttl, limit, letter_ttl, "error", failure)
return answer({ "buried", f.letter, 0 })
