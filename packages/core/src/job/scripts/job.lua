-- packages/core/src/job/scripts/job.lua
-- Prelude of every script that changes a job: its events, its letter, and the ways a job enters and leaves a mailbox.
-- Not a script of its own: it stands below redis/scripts/clock.lua,
-- mailbox/scripts/mailbox.lua and fence.lua, and above submit, begin,
-- commit, defer, bury, redrive, cancel, promote, fire and steer.
-- KEYS[1]  root    eco2:{p}; every key is built from it, so all share one slot
-- ARGV[1]  int     milliseconds added to Redis's clock; 0 but in tests
-- reply    none (functions only)
-- cost     O(1) each
local max_events = 200
local live_millis = 60000
local function job_key(id) return root .. ":job:" .. id end

-- The job's fence, nil when there is no such job (or none that this make of the code wrote).
local function read_fence(id) return fence_of(redis.call("HGET", job_key(id), "now")) end
-- Further fields and values of its hash may be written along.
local function write_fence(id, f, ...) redis.call("HSET", job_key(id), "now", text_of(f), ...) end

local function is_over(state) return state == "done" or state == "failed" or state == "cancelled" end

-- History and live stream: seq is the place in the list (J4). Members are JSON without braces. The history begins with the
-- first thing that happens to a job; until then its `queued` is told by `created` alone.
-- Of 200 places the last is kept for the event that ends the job. `frames`: the last of these events opens or ends a run and is
-- told whatever the room, or a redriven job with a full history would never end (J1). A job begun seldom has room.
local told, live = {}, 0
local stamp = '{"ts":' .. string.sub(now_text, 1, -4) .. "." .. string.sub(now_text, -3) .. ","
local function tell(id, last, ...)
  local events = select("#", ...)
  told[live + 1] = id .. " " .. int(last - events + 1)
  for i = 1, events do told[live + 1 + i] = (select(i, ...)) end
  live = live + 1 + events
end
local function emit(id, f, events, frames)
  local key = job_key(id) .. ":events"
  local texts = {}
  if f.unheard then
    texts[1] = '{"ts":' .. string.sub(f.created, 1, -4) .. "." .. string.sub(f.created, -3) ..
      ',"stage":"queued","status":"started","progress":0,"result":null}'
  end
  f.unheard = false
  for _, members in ipairs(events) do texts[#texts + 1] = stamp .. members .. "}" end
  if tonumber(f.tries) > 40 then
    local room = (frames and max_events or max_events - 1) - redis.call("LLEN", key)
    while #texts > math.max(frames and 1 or 0, room) do table.remove(texts, frames and #texts - 1 or #texts) end
    if #texts == 0 then return end
  end
  tell(id, redis.call("RPUSH", key, unpack(texts)), unpack(texts))
end
-- Ends every script: the live stream gets what was told to all jobs, one entry a call.
local function answer(reply)
  if live > 0 then
    redis.call("XADD", root .. ":events", "MINID", "~", int(real_now - live_millis), "*", "e", table.concat(told, "\n"))
  end
  return reply
end

local function started_event(stage, progress)
  return '"stage":"' .. stage .. '","status":"started","progress":' .. progress .. ',"result":null'
end

local function take_off_current(f)
  local name, entry = string.match(f.cur, "^(.+):(%d+%-%d+)$")
  if name then take_off(name, entry) end
  f.cur = "-"
end

-- Puts an entry for the job into a mailbox; the fence is the caller's to write.
local function place(id, f, name)
  f.cur = name .. ":" .. redis.call("XADD", mailbox_key(name), "*", "job", id, "ts", now_text)
  f.state, f.by, f.since = "waiting", "-", now_text
end

-- Admission: at most `limit` jobs of a user are admitted at once (0 = no limit), the rest wait in the user's lane. The hash
-- `running` counts the admitted a user, and under "" all who wait in lanes of this partition.
local running_key = root .. ":running"
local function lane_key(owner) return root .. ":lane:" .. owner end
local function count(owner, by)
  local left = redis.call("HINCRBY", running_key, owner, by)
  if left <= 0 then redis.call("HDEL", running_key, owner) end
  return left
end

-- Lets a user's next jobs in, as many as the limit has room for, bounded a call. `running`: how many are in.
local function admit(owner, limit, running)
  for _ = 1, 16 do
    if limit > 0 and running >= limit then return end
    local id = redis.call("LPOP", lane_key(owner))
    if not id then return end
    count("", -1)
    local f = read_fence(id)
    if f and f.state == "lane" then
      running = count(owner, 1)
      place(id, f, redis.call("HGET", job_key(id), "home"))
      f.admitted = "1"
      write_fence(id, f)
    end
  end
end

-- Writes a dead letter and drops those past their retention; answers its name, `<mailbox>:<entry id>`, for the fence.
local function write_letter(mailbox, retention, id, stage, cause, message, attempts, first, run)
  return mailbox .. ":" .. redis.call("XADD", root .. ":dead:" .. mailbox, "MINID", "~", int(real_now - retention), "*", "job", id,
    "stage", stage, "cause", cause, "message", message, "attempts", attempts, "first", first, "last", now_text, "run", run)
end
local function remove_letter(f)
  local name, entry = string.match(f.letter, "^(.+):(%d+%-%d+)$")
  if name then redis.call("XDEL", root .. ":dead:" .. name, entry) end
  f.letter = "-"
end

-- Ends a job: one expiry on all its keys, counted from now; its place is the user's next job's. With `letter_ttl` its dead
-- letter stays and keeps it alive, else the letter goes. Tells `events`; writes the fence, and further fields along.
local function finish(id, f, state, events, ttl, limit, letter_ttl, ...)
  local key, owner, was = job_key(id), f.owner, f.state
  local admitted = f.admitted == "1"
  if f.letter ~= "-" and not letter_ttl then
    remove_letter(f)
    if state == "done" then redis.call("HDEL", key, "error") end -- healed: what parked it is no longer so
  end
  f.state, f.cur, f.by, f.admitted, f.since = state, "-", "-", "-", now_text
  write_fence(id, f, ...)
  emit(id, f, events, true)
  redis.call("ZREM", root .. ":timers", id)
  redis.call("PEXPIRE", key, letter_ttl or ttl)
  redis.call("PEXPIRE", key .. ":events", letter_ttl or ttl)
  if f.image == "1" then redis.call("PEXPIRE", key .. ":image", ttl) end
  if owner == "" then return end
  if was == "lane" then
    if redis.call("LREM", lane_key(owner), 1, id) == 1 then count("", -1) end
  elseif admitted then
    admit(owner, limit, count(owner, -1))
  end
end
