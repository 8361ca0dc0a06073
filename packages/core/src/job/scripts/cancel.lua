-- packages/core/src/job/scripts/cancel.lua
-- Cancels a job for its owner, wherever it waits (J7). One script, so that no stage begins between the check and the end. A
-- running stage is interrupted by its process when its next beat finds the entry gone.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  uuid    job id
-- ARGV[3]  int     JOB_TTL, milliseconds
-- ARGV[4]  json    `error` of the job's result
-- ARGV[5]  int     USER_CONCURRENCY
-- reply    {"cancelled", pipeline} | {"already", ""} (cancelled before) | {"finished", ""} (done or failed) | {"missing", ""}
-- cost     O(1)
pass_when_full()
local id, ttl, failure = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local f = read_fence(id)
if not f then return { "missing", "" } end
if f.state == "cancelled" then return { "already", "" } end
if is_over(f.state) then return { "finished", "" } end
local read, about = pcall(cjson.decode, redis.call("HGET", job_key(id), "about") or "")
f.pipeline = read and type(about.pipeline) == "string" and about.pipeline or ""
list_history(id, f)
take_off_current(f)
finish(id, f, "cancelled", { '"stage":"cancelled","status":"cancelled","progress":' .. f.progress .. ',"result":null' }, ttl,
  tonumber(ARGV[5]), nil, "error", failure)
return answer({ "cancelled", f.pipeline })
