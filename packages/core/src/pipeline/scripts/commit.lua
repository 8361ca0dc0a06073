-- packages/core/src/pipeline/scripts/commit.lua
-- Records a stage's success: checkpoint, events, tells, the next entry and the acknowledgement, all or none (J3); after
-- it the stage is never computed again (J2), and after the last one the result can be read before `done` is seen (J5).
-- A success counts from anyone who held the entry: `at` and `cur` are the fence, not `by`.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     JOB_TTL, milliseconds: what remains of a job after its end
-- ARGV[3..] a commit each: job id, stage, mailbox, entry id, token, output (json), next stage ("" = none),
--           next mailbox, progress (percent), "1" where this was the last stage that reads the image,
--           number of events, events… (members without braces), number of tells, (mailbox, type, body)…
-- reply     an array, one answer a commit: {"committed", ended, work ms} (again for a repeat, ended "1" at the last stage)
--           | {"lost"} the job stands elsewhere by now | {"gone"} its hash is not there; nothing was changed
-- cost      O(1) a commit; about ten writes
pass_when_full()
local ttl = tonumber(ARGV[2])
local at_arg = 3
local function take()
  at_arg = at_arg + 1
  return ARGV[at_arg - 1]
end
local function take_many(n)
  local many = {}
  for i = 1, n do many[i] = take() end
  return many
end

local function commit(c)
  local key = job_key(c.id)
  local job = redis.call("HMGET", key, "state", "at", "cur", "last", "began")
  if not job[1] then return { "gone" } end
  if job[4] == c.stage .. ":" .. c.token then return { "committed", c.next == "" and "1" or "0", 0 } end
  if is_over(job[1]) or job[2] ~= c.stage or job[3] ~= c.mailbox .. ":" .. c.entry then return { "lost" } end
  local work = now - tonumber(job[5] or now)
  take_off(c.mailbox, c.entry)
  redis.call("HSET", key, "o:" .. c.stage, c.output, "d:" .. c.stage, work, "last", c.stage .. ":" .. c.token, "by", "",
    "deliveries", 0, "attempts", 0, "progress", c.progress, "cause", "")
  if c.drop_image == "1" then redis.call("DEL", key .. ":image") end
  for _, tell in ipairs(c.tells) do
    redis.call("XADD", mailbox_key(tell[1]), "*", "type", tell[2], "body", tell[3], "ts", now)
  end
  if c.next == "" then
    finish(c.id, "done", ttl)
  else
    redis.call("HSET", key, "at", c.next, "queued", now)
    place(c.id, c.next_mailbox)
  end
  emit(c.id, c.events, c.next == "")
  return { "committed", c.next == "" and "1" or "0", work }
end

local answers = {}
while at_arg <= #ARGV do
  local c = {
    id = take(), stage = take(), mailbox = take(), entry = take(), token = take(), output = take(),
    next = take(), next_mailbox = take(), progress = take(), drop_image = take()
  }
  c.events = take_many(tonumber(take()))
  c.tells = {}
  for i = 1, tonumber(take()) do c.tells[i] = take_many(3) end
  answers[#answers + 1] = commit(c)
end
return answers
