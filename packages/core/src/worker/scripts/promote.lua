-- packages/core/src/worker/scripts/promote.lua
-- Serves the due timers of one partition: a delayed or parked stage returns to its mailbox, an open job past its deadline fails,
-- a delayed message is delivered, a paid call whose bill never came becomes uncertain. One script, so that any number of processes may call it at once and each timer is served
-- once, and a job failed here always has its dead letter and exactly one terminal event (J1).
-- Every job failed here gets a dead letter, even in the lane, so that an operator can redrive jobs that an outage delayed past
-- their deadline. A job parked before has one already, with the cause that kept failing.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  int     timers served in one call, at most
-- ARGV[3]  int     JOB_TTL, milliseconds
-- ARGV[4]  int     LETTER_TTL, milliseconds: older dead letters are dropped here
-- ARGV[5]  int     USER_CONCURRENCY
-- ARGV[6..] text   mailboxes whose letters are trimmed
-- reply    {served, milliseconds until the next timer (-1 = none, 0 = more are due now), jobs failed at their deadline: an array,
--          one for each mailbox, of {pipeline, mailbox of the current stage, jobs failed, letters written for them},
--          paid calls that became uncertain: an array of {job id, json of the request}}
-- cost     O(served · log open jobs)
pass_when_full()
local batch, ttl, letter_ttl = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local timers, later = root .. ":timers", root .. ":later"
local served, failed, failed_in, doubted = 0, {}, {}, {}
local past_deadline = "the job was not finished by its deadline"

local function serve_message(member)
  local body = redis.call("HGET", later, member)
  redis.call("ZREM", timers, member)
  redis.call("HDEL", later, member)
  if body then put_back(cjson.decode(body)) end
end

local function serve_call(member)
  redis.call("ZREM", timers, member)
  local id, call = string.match(member, "^c:(%S+) (.+)$")
  local c = id and read_call(id, call)
  if not c or c.outcome ~= "open" then return end
  doubt_call(id, call, c)
  sum_calls(id, "")
  doubted[#doubted + 1] = { id, c.rest }
end

-- Whether the job's dead letter still exists: it may have been discarded or have expired.
local function has_letter(f)
  local name, entry = string.match(f.letter, "^(.+):(%d+%-%d+)$")
  return name ~= nil and #redis.call("XRANGE", root .. ":dead:" .. name, entry, entry) == 1
end

local function fail(id, key, f)
  list_history(id, f)
  local known = redis.call("HMGET", key, "about", "cause")
  local read, about = pcall(cjson.decode, known[1] or "")
  local pipeline = read and type(about.pipeline) == "string" and about.pipeline or ""
  local home = pipeline .. "." .. f.at
  local counts = failed_in[home]
  if not counts then
    counts = { pipeline, home, 0, 0 }
    failed[#failed + 1], failed_in[home] = counts, counts
  end
  counts[3] = counts[3] + 1
  if pipeline ~= "" and not has_letter(f) then
    local because = known[2] and string.sub(known[2], 1, #f.at + 1) == f.at .. ":" and string.sub(known[2], #f.at + 2)
    local message = past_deadline .. "; its state: " .. f.state .. (because and ", last error " .. because or "")
    f.letter = write_letter(home, letter_ttl, id, f.at, "DEADLINE_EXCEEDED", message, f.attempts, now_text, f.run)
    counts[4] = counts[4] + 1
  end
  take_off_current(f)
  f.pipeline, f.cause = pipeline, "DEADLINE_EXCEEDED"
  finish(id, f, "failed", { '"stage":"failed","status":"failed","progress":' .. f.progress .. ',"result":null' }, ttl,
    tonumber(ARGV[5]), f.letter ~= "-" and letter_ttl or nil, "error",
    '{"code":"DEADLINE_EXCEEDED","message":"' .. past_deadline .. '","stage":"' .. f.at .. '","attempts":' .. f.attempts .. "}")
end

local function serve_job(id)
  local key = job_key(id)
  local f = read_fence(id)
  -- one with an unreadable fence has no use for a timer; the scrub finds it, and leaves a dead letter of it
  if not f or is_over(f.state) then
    redis.call("ZREM", timers, id)
    return
  end
  if now >= tonumber(f.deadline) then
    fail(id, key, f)
    return
  end
  if f.state == "delayed" or f.state == "parked" then
    local home = home_of(id, f)
    if home then
      place(id, f, home)
      write_fence(id, f)
    end
  end
  redis.call("ZADD", timers, f.deadline, id)
end

for _, member in ipairs(redis.call("ZRANGEBYSCORE", timers, "-inf", now, "LIMIT", 0, batch)) do
  local kind = string.sub(member, 1, 2)
  if kind == "m:" then serve_message(member) elseif kind == "c:" then serve_call(member) else serve_job(member) end
  served = served + 1
end
for i = 6, #ARGV do
  redis.call("XTRIM", root .. ":dead:" .. ARGV[i], "MINID", real_now - letter_ttl)
end
redis.call("XTRIM", root .. ":events", "MINID", real_now - live_millis)
redis.call("XTRIM", root .. ":ended", "MINID", real_now - ttl)
redis.call("XTRIM", root .. ":failed", "MINID", real_now - math.max(ttl, letter_ttl))
local first = redis.call("ZRANGE", timers, 0, 0, "WITHSCORES")
local wait = first[2] and math.max(0, math.ceil(tonumber(first[2]) - now)) or -1
return answer({ served, wait, failed, doubted })
