-- packages/core/src/timer/scripts/promote.lua
-- Serves the timers of one partition that are due: a put-off or parked stage goes back to its mailbox, an open job past its
-- deadline fails, a delayed message is delivered. One script, so that any number of processes may look at once and each
-- timer is served by one of them.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  int     timers served a call at most
-- ARGV[3]  int     JOB_TTL, milliseconds
-- ARGV[4]  int     LETTER_TTL, milliseconds: older dead letters are dropped here
-- ARGV[5]  int     USER_CONCURRENCY
-- ARGV[6..] text   mailboxes whose letters are trimmed
-- reply    {served, milliseconds until the next timer (-1 = none, 0 = more are due now), jobs failed by deadline}
-- cost     O(served · log open jobs)
pass_when_full()
local batch, ttl, letter_ttl = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local timers, later = root .. ":timers", root .. ":later"
local served, expired = 0, 0

local function serve_message(member)
  local body = redis.call("HGET", later, member)
  redis.call("ZREM", timers, member)
  redis.call("HDEL", later, member)
  if body then put_back(cjson.decode(body)) end
end

local function serve_job(id)
  local key = job_key(id)
  local f = read_fence(id)
  if not f or is_over(f.state) then
    redis.call("ZREM", timers, id)
    return
  end
  if now >= tonumber(f.deadline) then
    take_off_current(f)
    -- a parked job leaves its letter, which says what kept failing
    finish(id, f, "failed", { '"stage":"failed","status":"failed","progress":' .. f.progress .. ',"result":null' }, ttl,
      tonumber(ARGV[5]), f.letter ~= "-" and letter_ttl or nil, "error",
      '{"code":"DEADLINE_EXCEEDED","message":"the job was not finished by its deadline","stage":"' .. f.at .. '","attempts":' .. f.attempts .. "}")
    expired = expired + 1
    return
  end
  if f.state == "delayed" or f.state == "parked" then
    place(id, f, redis.call("HGET", key, "home"))
    write_fence(id, f)
  end
  redis.call("ZADD", timers, f.deadline, id)
end

for _, member in ipairs(redis.call("ZRANGEBYSCORE", timers, "-inf", now, "LIMIT", 0, batch)) do
  if string.sub(member, 1, 2) == "m:" then serve_message(member) else serve_job(member) end
  served = served + 1
end
for i = 6, #ARGV do
  redis.call("XTRIM", root .. ":dead:" .. ARGV[i], "MINID", real_now - letter_ttl)
end
redis.call("XTRIM", root .. ":events", "MINID", real_now - live_millis)
local first = redis.call("ZRANGE", timers, 0, 0, "WITHSCORES")
local wait = first[2] and math.max(0, math.ceil(tonumber(first[2]) - now)) or -1
return answer({ served, wait, expired })
