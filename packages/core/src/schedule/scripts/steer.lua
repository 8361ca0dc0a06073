-- packages/core/src/schedule/scripts/steer.lua
-- Pauses, resumes or runs a schedule for an operator. One script, so that a manual run and a slot's run do not start together.
-- A slot that passes while the schedule is paused never fires. A manual run uses the input stored by the latest check, which is
-- the latest slot's.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  word    name
-- ARGV[3]  word    pause | resume | run
-- ARGV[4]  uuid    the run's job id, unique (run)
-- ARGV[5]  text    traceparent (run)
-- reply    {"done", ""} | {"ran", job id} | {"open", job id of the last run} (still open, and overlap is skip: nothing happened)
--          | {"full", ""} (nothing happened) | {"missing", ""}
-- cost     O(log open jobs)
local name, verb, id = ARGV[2], ARGV[3], ARGV[4]
local key = cron_key(name)
if redis.call("EXISTS", key) == 0 then return { "missing", "" } end
if verb == "pause" then
  redis.call("HSETNX", key, "paused", now_text)
  return { "done", "" }
end
if verb == "resume" then
  if redis.call("HDEL", key, "paused") == 1 then redis.call("HSET", key, "since", now_text) end
  return { "done", "" }
end
local known = redis.call("HMGET", key, "overlap", "job", "ran")
if known[3] == id then return { "ran", known[2] or "" } end
if known[1] == "skip" and is_open(known[2]) then return { "open", known[2] } end
local work = redis.call("HMGET", key, "mailbox", "stage", "kind", "plan", "allowed", "payload", "capacity")
if perform(work, id, ARGV[5]) == "full" then return { "full", "" } end
local job = work[2] == "" and "" or id
redis.call("HSET", key, "ran", id, "job", job, "fired", now_text)
return answer({ "ran", job })
