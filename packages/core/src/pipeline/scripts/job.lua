-- packages/core/src/pipeline/scripts/job.lua
-- Prelude of every script that changes a job: names, clock, events, and the ways a job enters and leaves a mailbox.
-- Not a script of its own: it stands above submit, begin, commit, defer, bury, redrive, promote, cancel, and settle.
-- KEYS[1]  root    eco2:{p}; every key is built from it, so all share one slot
-- ARGV[1]  int     milliseconds added to Redis's clock; 0 but in tests
-- reply    none (functions only)
-- cost     O(1) each
local root = KEYS[1]
local group = "workers"
local max_events = 200
local live_millis = 60000
local clock = redis.call("TIME")
local real_now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local now = real_now + tonumber(ARGV[1])
-- as text: Redis would print a number by its slow, general way each time it is an argument
local function int(number) return string.format("%d", number) end
local now_text, live_from = int(now), int(real_now - live_millis)
local stamp = '{"ts":' .. string.sub(now_text, 1, -4) .. "." .. string.sub(now_text, -3) .. ","

local function job_key(id) return root .. ":job:" .. id end
local function mailbox_key(name) return root .. ":mailbox:" .. name end

-- When Redis is full a script may go on writing once its first write has passed, and XACK is never refused (here it
-- acknowledges nothing). Transitions begin with it, so that the fleet drains; only submit and append may be refused.
local function pass_when_full()
  redis.call("XACK", root .. ":mailbox:", group, "0-0")
end

-- History and live stream in one breath: seq is the place in the list (J4). Fragments are JSON members without braces.
-- Of 200 places the last is kept for the event that ends the job. `frames`: the last of these events opens or ends a run and is
-- told whatever the room, or a redriven job with a full history would never end (J1). `tries`, where known: a job begun
-- seldom has room.
local function emit(id, fragments, frames, tries)
  local key = job_key(id) .. ":events"
  local stamped = {}
  for i, fragment in ipairs(fragments) do stamped[i] = stamp .. fragment .. "}" end
  if not tries or tonumber(tries) > 40 then
    local room = (frames and max_events or max_events - 1) - redis.call("LLEN", key)
    while #stamped > math.max(frames and 1 or 0, room) do table.remove(stamped, frames and #stamped - 1 or #stamped) end
    if #stamped == 0 then return end
  end
  local last = redis.call("RPUSH", key, unpack(stamped))
  redis.call("XADD", root .. ":events", "MINID", "~", live_from, "*",
    "job", id, "seq", int(last - #stamped + 1), "e", table.concat(stamped, "\n"))
end

-- Acknowledge and delete together: XACK alone frees no memory, and the mailbox's length is its depth.
local function take_off(name, entry)
  redis.call("XACK", mailbox_key(name), group, entry)
  return redis.call("XDEL", mailbox_key(name), entry) == 1
end

-- Puts an entry for the job into a mailbox; further fields and values of its hash may be written along.
local function place(id, name, ...)
  local entry = redis.call("XADD", mailbox_key(name), "*", "job", id, "ts", now_text)
  redis.call("HSET", job_key(id), "cur", name .. ":" .. entry, "state", "waiting", ...)
end

local function started_event(stage, progress)
  return '"stage":"' .. stage .. '","status":"started","progress":' .. progress .. ',"result":null'
end

-- The job's hash as a table; empty when there is none. Counters that were never written are absent.
local function read_job(id)
  local flat, job = redis.call("HGETALL", job_key(id)), {}
  for i = 1, #flat, 2 do job[flat[i]] = flat[i + 1] end
  return job, flat
end

local function take_off_current(cur)
  local name, entry = string.match(cur or "", "^(.+):(%d+%-%d+)$")
  if name then take_off(name, entry) end
end

local function is_over(state) return state == "done" or state == "failed" or state == "cancelled" end

-- Admission: at most `limit` jobs of a user are admitted at once (0 = no limit), the rest wait in the user's lane. The hash
-- `running` counts the admitted a user, and under "" all who wait in lanes of this partition.
local running_key = root .. ":running"
local function lane_key(owner) return root .. ":lane:" .. owner end
local function count(owner, by)
  if redis.call("HINCRBY", running_key, owner, by) <= 0 then redis.call("HDEL", running_key, owner) end
end

-- Lets a user's next jobs in, as many as the limit has room for, bounded a call.
local function admit(owner, limit)
  local running = tonumber(redis.call("HGET", running_key, owner) or 0)
  for _ = 1, 16 do
    if limit > 0 and running >= limit then return end
    local id = redis.call("LPOP", lane_key(owner))
    if not id then return end
    count("", -1)
    local job = redis.call("HMGET", job_key(id), "state", "home")
    if job[1] == "lane" then
      running = running + 1
      count(owner, 1)
      place(id, job[2], "admitted", "1", "queued", now_text)
    end
  end
end

local function remove_letter(letter)
  local name, entry = string.match(letter or "", "^(.+):(%d+%-%d+)$")
  if name then redis.call("XDEL", root .. ":dead:" .. name, entry) end
end

-- Ends a job: one expiry on all its keys, counted from now; its place is the user's next job's. With `letter_ttl` its dead
-- letter stays and keeps it alive, else the letter goes.
local function finish(id, state, ttl, limit, letter_ttl)
  local key = job_key(id)
  local job = redis.call("HMGET", key, "state", "owner", "admitted", "letter")
  redis.call("HSET", key, "state", state, "ended", now_text, "cur", "", "by", "", "admitted", "")
  redis.call("ZREM", root .. ":timers", id)
  redis.call("PEXPIRE", key, letter_ttl or ttl)
  redis.call("PEXPIRE", key .. ":events", letter_ttl or ttl)
  redis.call("PEXPIRE", key .. ":image", ttl)
  if job[4] and job[4] ~= "" and not letter_ttl then
    remove_letter(job[4])
    redis.call("HDEL", key, "letter")
    if state == "done" then redis.call("HDEL", key, "error") end -- healed: what parked it is no longer so
  end
  local owner = job[2] or ""
  if owner == "" then return end
  if job[1] == "lane" then
    if redis.call("LREM", lane_key(owner), 1, id) == 1 then count("", -1) end
  elseif job[3] == "1" then
    count(owner, -1)
    admit(owner, limit)
  end
end
