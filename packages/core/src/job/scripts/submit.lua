-- packages/core/src/job/scripts/submit.lua
-- Accepts jobs: writes hash, first mailbox entry and timer of each, or nothing. One script, so that exactly one of concurrent
-- submits with one id creates the job (J6), and an accepted job always has its entry (J1). Submits of one tick share a call.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     deadline, milliseconds from now
-- ARGV[3]   int     USER_CONCURRENCY: jobs of one user admitted at once, 0 = no limit
-- ARGV[4]   int     LANE_CAPACITY: jobs that may wait in one user's lane; never more than the mailbox then has left
-- ARGV[5]   int     USER_RATE: jobs one user may submit in any window, 0 = no limit
-- ARGV[6]   int     that window, milliseconds
-- ARGV[7]   int     USER_IMAGE_STORAGE: bytes of one user's images
-- ARGV[8]   int     how long an ended job, and its image, may stay, milliseconds
-- ARGV[9]   int     how many of a user's latest jobs are listed
-- ARGV[10..] nine for each submit:
--           uuid    job id
--           text    hash of the body: distinguishes a repeat from another request with the same key
--           json    the part that never changes: {pipeline, trace, hash, plan}
--           text    first stage
--           text    its mailbox
--           json    input
--           uuid    upload to take over as the job's image, "" for none
--           text    owner, "" for none
--           int     capacity of the first mailbox in this partition, entries
-- reply     an array, one answer for each submit:
--           {"created", ""} | {"exists", state} | {"conflict", ""} | {"full", depth} | {"lane-full", depth} |
--           {"rate-limited", milliseconds until there is room} | {"images-full", bytes} | {"upload-gone", ""}
-- cost      O(log open jobs) for each submit; four writes, two more with an owner, three with USER_RATE, three with an image; at
--           USER_IMAGE_STORAGE also O(the user's images, at most one for each 64 KiB of it)
local allowed, limit, lane_capacity = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local rate, window = tonumber(ARGV[5]), tonumber(ARGV[6])
local image_storage, image_life = tonumber(ARGV[7]), tonumber(ARGV[8])
local listed = tonumber(ARGV[9])

-- When the user may submit again: when the rate-th last submit leaves the window. Refused and repeated submits do not count (L1).
local function free_at(key)
  local place = redis.call("LLEN", key) - rate
  if place < 0 then return now end
  local at = tonumber(redis.call("LINDEX", key, place))
  if at <= now + 1000 then return at + window end
  redis.call("DEL", key) -- Redis's clock was set back; by these times the user would wait as much longer
  return now
end
local function charge(key)
  redis.call("RPUSH", key, now_text)
  redis.call("LTRIM", key, -rate, -1)
  redis.call("PEXPIRE", key, int(window))
end

-- The user's latest jobs, the newest last; cut now and then. Nobody takes one out: a reader leaves out what has expired.
local function list_job(owner, id)
  local jobs = root .. ":jobs:" .. owner
  if redis.call("RPUSH", jobs, id) >= listed + 20 then redis.call("LTRIM", jobs, -listed, -1) end
  redis.call("PEXPIRE", jobs, int(allowed + image_life))
end

local function submit(id, hash, about, stage, mailbox, input, upload, owner, capacity)
  local key, upload_key = job_key(id), root .. ":upload:" .. upload
  local known = redis.call("HMGET", key, "now", "about")
  if known[1] or known[2] then
    if upload ~= "" then redis.call("DEL", upload_key) end -- a repeat never replaces the job's image
    local read, was = pcall(cjson.decode, known[2] or "")
    if not read or was.hash ~= hash then return { "conflict", "" } end
    return { "exists", (fence_of(known[1]) or {}).state or "" }
  end
  local function refuse(why, depth)
    if upload ~= "" then redis.call("DEL", upload_key) end -- a refusal leaves nothing
    return { why, int(depth) }
  end
  local rate_key = rate > 0 and owner ~= "" and root .. ":limit:" .. owner
  local free = rate_key and free_at(rate_key) or now
  if free > now then return refuse("rate-limited", free - now) end
  local lanes = redis.call("HMGET", running_key, "", owner)
  local in_lanes, running = tonumber(lanes[1] or 0), tonumber(lanes[2] or 0)
  local depth = redis.call("XLEN", mailbox_key(mailbox)) + in_lanes
  if depth >= tonumber(capacity) then return refuse("full", depth) end
  local limited = owner ~= "" and limit > 0
  local waiting = limited and in_lanes > 0 and redis.call("LLEN", lane_key(owner)) or 0
  local in_lane = limited and (waiting > 0 or running >= limit)
  -- a lane may hold at most as many jobs as places are left: alone it fills half of the mailbox, and others always have room
  local room = math.min(lane_capacity, math.max(1, tonumber(capacity) - depth))
  if in_lane and waiting >= room then return refuse("lane-full", waiting) end
  if upload ~= "" and redis.call("EXISTS", upload_key) == 0 then return { "upload-gone", "" } end
  local more = upload ~= "" and owner ~= "" and counted_image(redis.call("STRLEN", upload_key)) or 0
  if more > 0 then
    local stored = stored_images(owner, more, image_storage)
    if stored + more > image_storage then return refuse("images-full", stored) end
  end

  local f = new_fence(stage, allowed, upload ~= "", owner)
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
    if more > 0 then count_image(owner, id, more, allowed + image_life) end
  end
  redis.call("ZADD", root .. ":timers", f.deadline, id)
  if owner ~= "" then list_job(owner, id) end
  if rate_key then charge(rate_key) end
  return { "created", "" }
end

local answers = {}
for i = 10, #ARGV, 9 do answers[#answers + 1] = submit(unpack(ARGV, i, i + 8)) end
return answer(answers)
