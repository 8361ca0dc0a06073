-- packages/core/src/pipeline/scripts/bury.lua
-- Gives a job up: it fails, and a dead letter says why. One script, so that a failed job always has its letter and its
-- one terminal event (J1). Counts only from the present holder (`by`).
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   uuid    job id
-- ARGV[3]   text    stage
-- ARGV[4]   text    mailbox
-- ARGV[5]   text    entry id
-- ARGV[6]   text    token of the begin
-- ARGV[7]   text    cause: an error's tag
-- ARGV[8]   text    message
-- ARGV[9]   json    what the result shows as `error`
-- ARGV[10]  json    `failed` event, members without braces
-- ARGV[11]  int     JOB_TTL, milliseconds
-- ARGV[12]  int     LETTER_TTL, milliseconds: the letter keeps its job alive
-- reply     {"buried", letter id} (again for a repeat) | {"lost", ""} | {"gone", ""}
-- cost      O(1)
pass_when_full()
local id, stage, mailbox, entry, token = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local cause, message, failure, failed, ttl, letter_ttl = ARGV[7], ARGV[8], ARGV[9], ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12])
local key = job_key(id)
local job = redis.call("HMGET", key, "state", "at", "cur", "by", "last", "letter", "attempts", "began", "run")
if not job[1] then return { "gone", "" } end
if job[5] == stage .. ":" .. token then return { "buried", job[6] or "" } end
if is_over(job[1]) or job[2] ~= stage or job[3] ~= mailbox .. ":" .. entry or job[4] ~= token then return { "lost", "" } end

take_off(mailbox, entry)
local letter = redis.call("XADD", root .. ":dead:" .. mailbox, "MINID", "~", real_now - letter_ttl, "*", "job", id, "stage", stage,
  "cause", cause, "message", message, "attempts", job[7], "first", job[8] or now, "last", now, "run", job[9])
redis.call("HSET", key, "last", stage .. ":" .. token, "error", failure, "letter", mailbox .. ":" .. letter)
finish(id, "failed", ttl, letter_ttl)
emit(id, { failed }, true)
return { "buried", mailbox .. ":" .. letter }
