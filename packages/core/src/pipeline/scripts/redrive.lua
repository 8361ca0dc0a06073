-- packages/core/src/pipeline/scripts/redrive.lua
-- An operator gives a job another chance: a parked one at once, a failed one in a new run that keeps its checkpoints and
-- resumes at its failed stage (J2). One script, so that letter and job never disagree, and a run has one terminal event (J1).
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  uuid    job id
-- ARGV[3]  int     deadline, milliseconds from now
-- ARGV[4]  json    the `queued` event, members without braces; its progress is added here
-- reply    "redriven" | "open" (it is neither parked nor failed; nothing changed) | "missing"
-- cost     O(log open jobs)
pass_when_full()
local id = ARGV[2]
local key = job_key(id)
local job, flat = read_job(id)
if not job.state then return "missing" end
if job.state ~= "parked" and job.state ~= "failed" then return "open" end
local home = job.home
for _, step in ipairs(cjson.decode(job.about).plan) do
  if step.name == job.at then home = step.mailbox end
end
local deadline = now + tonumber(ARGV[3])
remove_letter(job.letter)
redis.call("HDEL", key, "letter", "error", "ended", "rounds", "cause")
local failed = job.state == "failed"
if failed then
  redis.call("PERSIST", key)
  redis.call("PERSIST", key .. ":events")
  redis.call("PERSIST", key .. ":image")
end
place(id, home, "queued", now, "attempts", 0, "deliveries", 0, "deadline", deadline, "run", tonumber(job.run or 1) + (failed and 1 or 0))
redis.call("ZADD", root .. ":timers", deadline, id)
if failed then emit(id, { ARGV[4] .. ',"progress":' .. (job.progress or "0") }, true) end
return "redriven"
