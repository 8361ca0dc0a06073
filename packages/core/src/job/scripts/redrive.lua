-- packages/core/src/job/scripts/redrive.lua
-- Redrives a job for an operator: a parked job at once, a failed job in a new run that keeps its checkpoints and resumes at the
-- failed stage (J2). One script, so that letter and job always agree, and a run has one terminal event (J1).
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  uuid    job id
-- ARGV[3]  int     deadline, milliseconds from now
-- ARGV[4]  json    the `queued` event, members without braces; this script adds its progress
-- reply    "redriven" | "open" (neither parked nor failed; nothing changed) | "missing"
-- cost     O(log open jobs)
pass_when_full()
local id = ARGV[2]
local key = job_key(id)
local f = read_fence(id)
if not f then return "missing" end
if f.state ~= "parked" and f.state ~= "failed" then return "open" end
local home = cjson.decode(redis.call("HGET", key, "about")).pipeline .. "." .. f.at
remove_letter(f)
redis.call("HDEL", key, "error", "rounds", "cause")
local failed = f.state == "failed"
if failed then
  redis.call("PERSIST", key)
  redis.call("PERSIST", key .. ":events")
  redis.call("PERSIST", key .. ":calls")
  redis.call("PERSIST", key .. ":image")
  f.run, f.started, f.unheard = int(f.run + 1), "-", false
end
f.attempts, f.deliveries, f.deadline = "0", "0", int(now + tonumber(ARGV[3]))
place(id, f, home)
write_fence(id, f)
redis.call("ZADD", root .. ":timers", f.deadline, id)
if failed then emit(id, f, { ARGV[4] .. ',"progress":' .. f.progress }, true) end
return answer("redriven")
