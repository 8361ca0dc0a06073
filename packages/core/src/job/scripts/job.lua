-- packages/core/src/job/scripts/job.lua
-- Prelude of every script that changes a job: lists of ended jobs, dead letters, admission, and how a job enters and leaves a
-- mailbox. Not a script of its own: it stands below redis/scripts/clock.lua, mailbox/scripts/mailbox.lua, fence.lua and
-- history.lua, and above submit, begin, commit, defer, bury, redrive, cancel, promote, fire and steer.
-- KEYS[1]  root    eco2:{p}; every key is built from it, so all share one slot
-- ARGV[1]  int     milliseconds added to Redis's clock; 0 but in tests
-- reply    none (functions only)
-- cost     O(1) each

-- The job's fence; nil when there is no such job, or its fence is unreadable.
local function read_fence(id) return fence_of(redis.call("HGET", job_key(id), "now")) end
-- `...`: further fields and values of the hash, written with it.
local function write_fence(id, f, ...) redis.call("HSET", job_key(id), "now", text_of(f), ...) end

local function is_over(state) return state == "done" or state == "failed" or state == "cancelled" end

-- Jobs that ended, for the lists of operators (operations/EndedJobs.ts): failed ones in `{p}:failed`, the others in `{p}:ended`,
-- because they are kept for other times. A row has what is filtered by, so that a list need not read each job.
local ended, failed
local function list_end(id, f, ttl)
  local list = f.state == "failed" and failed or f.state ~= "failed" and ended
  if not list then
    list = { ttl = ttl }
    if f.state == "failed" then failed = list else ended = list end
  end
  list[#list + 1] = "e"
  list[#list + 1] = table.concat({ id, f.run, f.state, f.at, f.created, f.pipeline or "", f.cause or "", f.owner }, "\31")
end
local function write_ends(name, list)
  redis.call("XADD", root .. name, "MINID", "~", int(real_now - list.ttl), "*", unpack(list))
end

-- Every script returns through this function: it writes the events of all jobs to the live stream, and those that ended to their
-- lists, as one entry each.
local function answer(reply)
  if live > 0 then
    redis.call("XADD", root .. ":events", "MINID", "~", int(real_now - live_millis), "*", "e", table.concat(told, "\n"))
  end
  if ended then write_ends(":ended", ended) end
  if failed then write_ends(":failed", failed) end
  return reply
end

local function take_off_current(f)
  local name, entry = string.match(f.cur, "^(.+):(%d+%-%d+)$")
  if name then take_off(name, entry) end
  f.cur = "-"
end

-- Adds an entry for the job to a mailbox; the caller writes the fence.
local function place(id, f, name)
  f.cur = name .. ":" .. redis.call("XADD", mailbox_key(name), "*", "job", id, "ts", now_text)
  f.state, f.by, f.since = "waiting", "-", now_text
end

-- The mailbox of the job's stage; nil when the job is unreadable.
local function stage_mailbox(id, f)
  local read, about = pcall(cjson.decode, redis.call("HGET", job_key(id), "about") or "")
  return read and type(about) == "table" and type(about.pipeline) == "string" and about.pipeline .. "." .. f.at or nil
end
-- The mailbox that it comes back to from a lane or a timer. Nil: it stays where it is, and fails at its deadline.
local function home_of(id, f) return redis.call("HGET", job_key(id), "home") or stage_mailbox(id, f) end

-- Admission: at most `limit` jobs of a user are admitted at once (0 = no limit); the rest wait in the user's lane. The hash
-- `running` counts the admitted jobs of each user, and under "" all jobs in lanes of this partition.
local running_key = root .. ":running"
local function lane_key(owner) return root .. ":lane:" .. owner end
local function count(owner, by)
  local left = redis.pcall("HINCRBY", running_key, owner, by)
  if type(left) ~= "number" then -- the count is damaged: begin it anew, and the scrub makes it right
    left = math.max(0, by)
    redis.call("HSET", running_key, owner, int(left))
  end
  if left <= 0 then redis.call("HDEL", running_key, owner) end
  return left
end

-- Admits the user's next jobs, as many as the limit allows, at most 16 in a call. `running`: jobs admitted now.
local function admit(owner, limit, running)
  for _ = 1, 16 do
    if limit > 0 and running >= limit then return end
    local id = redis.call("LPOP", lane_key(owner))
    if not id then return end
    count("", -1)
    local f = read_fence(id)
    local home = f and f.state == "lane" and home_of(id, f)
    if home then
      running = count(owner, 1)
      place(id, f, home)
      f.admitted = "1"
      write_fence(id, f)
    end
  end
end

-- Writes a dead letter and drops expired ones; returns its name for the fence, `<mailbox>:<entry id>`.
local function write_letter(mailbox, retention, id, stage, cause, message, attempts, first, run)
  return mailbox .. ":" .. redis.call("XADD", root .. ":dead:" .. mailbox, "MINID", "~", int(real_now - retention), "*", "job", id,
    "stage", stage, "cause", cause, "message", message, "attempts", attempts, "first", first, "last", now_text, "run", run)
end
local function remove_letter(f)
  local name, entry = string.match(f.letter, "^(.+):(%d+%-%d+)$")
  if name then redis.call("XDEL", root .. ":dead:" .. name, entry) end
  f.letter = "-"
end

-- A job that no script can end, because its fence is unreadable: nothing stands for it any more, and all its keys expire.
local function expire_unreadable(id, retention)
  redis.call("ZREM", root .. ":timers", id)
  for _, part in ipairs({ "", ":events", ":image", ":calls" }) do redis.call("PEXPIRE", job_key(id) .. part, int(retention)) end
end

-- Ends a job: sets one expiry on all its keys and admits the user's next job. With `letter_ttl` the dead letter stays and the
-- job is kept as long; without it the letter is removed. Writes `events`, the fence and further fields.
-- `f.pipeline`, `f.cause`: for the list of ended jobs, where the caller knows them.
local function finish(id, f, state, events, ttl, limit, letter_ttl, ...)
  local key, owner, was = job_key(id), f.owner, f.state
  local admitted = f.admitted == "1"
  if f.letter ~= "-" and not letter_ttl then
    remove_letter(f)
    if state == "done" then redis.call("HDEL", key, "error") end -- the error that parked it is over
  end
  f.state, f.cur, f.by, f.admitted, f.since = state, "-", "-", "-", now_text
  emit(id, f, events, true)
  write_fence(id, f, ...)
  list_end(id, f, letter_ttl or ttl)
  redis.call("ZREM", root .. ":timers", id)
  redis.call("PEXPIRE", key, letter_ttl or ttl)
  if not f.implied then redis.call("PEXPIRE", key .. ":events", letter_ttl or ttl) end
  redis.call("PEXPIRE", key .. ":calls", letter_ttl or ttl)
  if f.image == "1" then redis.call("PEXPIRE", key .. ":image", ttl) end
  if owner == "" then return end
  if was == "lane" then
    if redis.call("LREM", lane_key(owner), 1, id) == 1 then count("", -1) end
  elseif admitted then
    admit(owner, limit, count(owner, -1))
  end
end
