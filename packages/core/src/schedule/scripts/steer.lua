-- packages/core/src/schedule/scripts/steer.lua
-- An operator's hand on a schedule: pause, resume, run now. One script, so that a run by hand and a slot's do not both find
-- the last run over.
-- A slot that passes while paused never fires. A run by hand works on what the latest look left: the latest slot's input.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  word    name
-- ARGV[3]  word    pause | resume | run
-- ARGV[4]  uuid    the run's job id, unlike any other (run)
-- ARGV[5]  text    traceparent (run)
-- reply    {"done", ""} | {"ran", job id} | {"open", job id of the last run} (it is open, and overlap is skip: nothing happened)
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
