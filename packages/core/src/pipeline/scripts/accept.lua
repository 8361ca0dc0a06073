-- packages/core/src/pipeline/scripts/accept.lua
-- Prelude of the scripts that accept jobs, below job.lua: submit (for a caller), fire and steer (for a schedule). One job: its
-- hash, first mailbox entry and timer, or none of them (J1, J6).
-- KEYS[1]  root    eco2:{p}
-- ARGV     none of its own
-- reply    none (a function only); it answers
--          {"created", ""} | {"exists", state} | {"conflict", ""} | {"full", depth} | {"lane-full", depth} | {"upload-gone", ""}
-- cost     O(log open jobs); four writes

-- `rules`: allowed (deadline, milliseconds from now), capacity (entries of the first mailbox in this partition), limit
-- (USER_CONCURRENCY), lane_capacity. `hash`: of the body, tells a repeat from another request under the same key. `about`:
-- what never changes, JSON. `upload`: to take over as the job's image, "" for none. `owner`: "" for none.
local function accept(rules, id, hash, about, stage, mailbox, input, upload, owner)
  local key, upload_key = job_key(id), root .. ":upload:" .. upload
  local known = redis.call("HMGET", key, "now", "about")
  if known[1] or known[2] then
    if upload ~= "" then redis.call("DEL", upload_key) end -- a repeat never touches a live job's image
    local read, was = pcall(cjson.decode, known[2] or "")
    if not read or was.hash ~= hash then return { "conflict", "" } end
    return { "exists", (fence_of(known[1]) or {}).state or "" }
  end
  local function refuse(why, depth)
    if upload ~= "" then redis.call("DEL", upload_key) end -- a refusal leaves nothing
    return { why, int(depth) }
  end
  local lanes = redis.call("HMGET", running_key, "", owner)
  local in_lanes, running = tonumber(lanes[1] or 0), tonumber(lanes[2] or 0)
  local depth = redis.call("XLEN", mailbox_key(mailbox)) + in_lanes
  if depth >= rules.capacity then return refuse("full", depth) end
  local limit = rules.limit
  local limited = owner ~= "" and limit > 0
  local waiting = limited and in_lanes > 0 and redis.call("LLEN", lane_key(owner)) or 0
  local in_lane = limited and (waiting > 0 or running >= limit)
  if in_lane and waiting >= rules.lane_capacity then return refuse("lane-full", waiting) end
  if upload ~= "" and redis.call("EXISTS", upload_key) == 0 then return { "upload-gone", "" } end

  local f = { state = "lane", at = stage, cur = "-", by = "-", last = "-", run = "1", attempts = "0", tries = "0",
    deliveries = "0", admitted = "-", started = "-", progress = "0", created = now_text, since = now_text, wait = "0",
    deadline = int(now + rules.allowed), letter = "-", image = upload ~= "" and "1" or "-", owner = owner }
  if in_lane then
    write_fence(id, f, "about", about, "input", input, "home", mailbox)
    redis.call("RPUSH", lane_key(owner), id)
    count("", 1)
    admit(owner, limit, running)
  else
    place(id, f, mailbox)
    if limited then f.admitted = "1" end
    write_fence(id, f, "about", about, "input", input)
    if limited then count(owner, 1) end
  end
  if upload ~= "" then
    redis.call("RENAME", upload_key, key .. ":image")
    redis.call("PERSIST", key .. ":image")
  end
  redis.call("ZADD", root .. ":timers", f.deadline, id)
  return { "created", "" }
end
