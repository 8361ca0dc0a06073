-- packages/core/src/pipeline/scripts/submit.lua
-- Accepts a job: hash, history, first mailbox entry and timer, or none of them. One script, so that of any number of
-- concurrent submits with one id exactly one creates the job (J6), and so that an accepted job always has its entry (J1).
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   uuid    job id
-- ARGV[3]   text    hash of the body: tells a repeat from another request under the same key
-- ARGV[4]   json    what never changes: {pipeline, owner, trace, plan: [{name, mailbox, progress, image}]}
-- ARGV[5]   text    first stage
-- ARGV[6]   text    its mailbox
-- ARGV[7]   json    input
-- ARGV[8]   uuid    upload to take over as the job's image, "" for none
-- ARGV[9]   int     deadline, milliseconds from now
-- ARGV[10]  int     capacity of the first mailbox in this partition, entries
-- ARGV[11]  json    the `queued` event, members without braces
-- ARGV[12]  text    owner, "" for none
-- ARGV[13]  int     USER_CONCURRENCY: jobs of one user admitted at once, 0 = no limit
-- ARGV[14]  int     LANE_CAPACITY: jobs that may wait in one user's lane
-- reply     {"created", id} | {"exists", state} | {"conflict", ""} | {"full", depth} | {"lane-full", depth} | {"upload-gone", ""}
-- cost      O(1); about twelve writes
local id, hash, about, stage, mailbox, input, upload = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local deadline, capacity, queued = now + tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11]
local key = job_key(id)
local upload_key = root .. ":upload:" .. upload

local known = redis.call("HMGET", key, "hash", "state")
if known[1] then
  if upload ~= "" then redis.call("DEL", upload_key) end -- a repeat never touches a live job's image
  if known[1] ~= hash then return { "conflict", "" } end
  return { "exists", known[2] }
end
local owner, limit, lane_capacity = ARGV[12], tonumber(ARGV[13]), tonumber(ARGV[14])
local function refuse(why, depth)
  if upload ~= "" then redis.call("DEL", upload_key) end -- a refusal leaves nothing
  return { why, tostring(depth) }
end
local depth = redis.call("XLEN", mailbox_key(mailbox)) + tonumber(redis.call("HGET", running_key, "") or 0)
if depth >= capacity then return refuse("full", depth) end
local limited = owner ~= "" and limit > 0
local waiting = limited and redis.call("LLEN", lane_key(owner)) or 0
local in_lane = limited and (waiting > 0 or tonumber(redis.call("HGET", running_key, owner) or 0) >= limit)
if in_lane and waiting >= lane_capacity then return refuse("lane-full", waiting) end
if upload ~= "" and redis.call("EXISTS", upload_key) == 0 then return { "upload-gone", "" } end

local record = { "hash", hash, "about", about, "owner", owner, "input", input, "created", now_text, "deadline", int(deadline), "at", stage }
if in_lane then
  redis.call("HSET", key, "state", "lane", "cur", "", "home", mailbox, unpack(record))
  redis.call("RPUSH", lane_key(owner), id)
  count("", 1)
  admit(owner, limit)
elseif limited then
  place(id, mailbox, "admitted", "1", unpack(record))
  count(owner, 1)
else
  place(id, mailbox, unpack(record))
end
if upload ~= "" then
  redis.call("RENAME", upload_key, key .. ":image")
  redis.call("PERSIST", key .. ":image")
end
redis.call("ZADD", root .. ":timers", int(deadline), id)
emit(id, { queued }, false, 0)
return { "created", id }
