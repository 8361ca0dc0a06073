-- packages/core/src/pipeline/scripts/submit.lua
-- Accepts a job: hash, history, first mailbox entry and timer, or none of them. One script, so that of any number of
-- concurrent submits with one id exactly one creates the job (J6), and so that an accepted job always has its entry (J1).
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   uuid    job id
-- ARGV[3]   text    hash of the body: tells a repeat from another request under the same key
-- ARGV[4]   text    owner, "" for none
-- ARGV[5]   text    pipeline
-- ARGV[6]   json    stage plan: [{name, mailbox, progress, image}]
-- ARGV[7]   text    first stage
-- ARGV[8]   text    its mailbox
-- ARGV[9]   json    input
-- ARGV[10]  uuid    upload to take over as the job's image, "" for none
-- ARGV[11]  int     deadline, milliseconds from now
-- ARGV[12]  int     capacity of the first mailbox in this partition, entries
-- ARGV[13]  text    W3C traceparent, "" for none
-- ARGV[14]  json    the `queued` event, members without braces
-- reply     {"created", id} | {"exists", state} | {"conflict", ""} | {"full", depth} | {"upload-gone", ""}
-- cost      O(1); about twelve writes
local id, hash, owner, pipeline, plan = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local stage, mailbox, input, upload = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local deadline, capacity, trace, queued = now + tonumber(ARGV[11]), tonumber(ARGV[12]), ARGV[13], ARGV[14]
local key = job_key(id)
local upload_key = root .. ":upload:" .. upload

local known = redis.call("HMGET", key, "hash", "state")
if known[1] then
  if upload ~= "" then redis.call("DEL", upload_key) end -- a repeat never touches a live job's image
  if known[1] ~= hash then return { "conflict", "" } end
  return { "exists", known[2] }
end
local depth = redis.call("XLEN", mailbox_key(mailbox))
if depth >= capacity then
  if upload ~= "" then redis.call("DEL", upload_key) end -- a refusal leaves nothing
  return { "full", tostring(depth) }
end
if upload ~= "" and redis.call("EXISTS", upload_key) == 0 then return { "upload-gone", "" } end

redis.call("HSET", key, "hash", hash, "owner", owner, "pipeline", pipeline, "plan", plan, "input", input, "created", now, "queued", now,
  "deadline", deadline, "at", stage, "by", "", "last", "", "run", 1, "deliveries", 0, "attempts", 0, "tries", 0,
  "wait", 0, "progress", 0, "trace", trace)
if upload ~= "" then
  redis.call("RENAME", upload_key, key .. ":image")
  redis.call("PERSIST", key .. ":image")
end
redis.call("ZADD", root .. ":timers", deadline, id)
place(id, mailbox)
emit(id, { queued })
return { "created", id }
