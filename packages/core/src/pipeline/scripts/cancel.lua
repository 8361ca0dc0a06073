-- packages/core/src/pipeline/scripts/cancel.lua
-- Ends a job at its owner's wish, wherever it waits (J7). One script, so that no stage begins between the check and the
-- end; a running stage is interrupted by its process, which finds its entry gone.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  uuid    job id
-- ARGV[3]  int     JOB_TTL, milliseconds
-- ARGV[4]  json    what the result shows as `error`
-- ARGV[5]  int     USER_CONCURRENCY
-- reply    "cancelled" | "already" (was cancelled before) | "finished" (done or failed) | "missing"
-- cost     O(1)
pass_when_full()
local id, ttl, failure = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local key = job_key(id)
local job = redis.call("HMGET", key, "state", "cur", "progress")
if not job[1] then return "missing" end
if job[1] == "cancelled" then return "already" end
if is_over(job[1]) then return "finished" end
take_off_current(job[2])
redis.call("HSET", key, "error", failure)
finish(id, "cancelled", ttl, tonumber(ARGV[5]))
emit(id, { '"stage":"cancelled","status":"cancelled","progress":' .. (job[3] or "0") .. ',"result":null' }, true)
return "cancelled"
