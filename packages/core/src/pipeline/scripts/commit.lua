-- packages/core/src/pipeline/scripts/commit.lua
-- Records a stage's success: checkpoint, events, tells, the next entry and the acknowledgement, all or none (J3); after
-- it the stage is never computed again (J2), and after the last one the result can be read before `done` is seen (J5).
-- A success counts from anyone who held the entry: `at` and `cur` are the fence, not `by`. Commits of one tick share a call.
-- A process with a free slot may keep the job for the next stage: the entry stays where it was taken, the hash says the
-- stage, and the next stage has begun. Only the present holder (`by`) may keep.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     JOB_TTL, milliseconds: what remains of a job after its end
-- ARGV[3]   int     USER_CONCURRENCY
-- ARGV[4..] a commit each: job id, stage, mailbox the entry stands in, entry id, token, output (json), next stage ("" = none),
--           next mailbox, token of the next begin to keep the job with ("" = do not), progress (percent),
--           "1" where this was the last stage that reads the image,
--           number of events, events… (members without braces), number of tells, (mailbox, type, body)…
-- reply     an array, one answer a commit: {"committed" | "kept" | "ended", work ms} (again for a repeat)
--           | {"lost", 0} the job stands elsewhere by now | {"gone", 0} its hash is not there; nothing was changed
-- cost      O(1) a commit; about seven writes, four when kept
pass_when_full()
local ttl, user_limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local at_arg = 4
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
  local job = redis.call("HMGET", key, "state", "at", "cur", "last", "began", "by", "run", "tries")
  local state, by = job[1], job[6]
  if not state then return { "gone", 0 } end
  if job[4] == c.stage .. ":" .. c.token then
    if c.next == "" then return { "ended", 0 } end
    return { c.keep ~= "" and by == c.keep and "kept" or "committed", 0 }
  end
  if is_over(state) or job[2] ~= c.stage or job[3] ~= c.mailbox .. ":" .. c.entry then return { "lost", 0 } end
  local work = int(now - tonumber(job[5] or now))
  local record = { "o:" .. c.stage, c.output, "d:" .. c.stage, work, "last", c.stage .. ":" .. c.token,
    "deliveries", "0", "progress", c.progress, "cause", "" }
  if c.drop_image == "1" then redis.call("DEL", key .. ":image") end
  for _, tell in ipairs(c.tells) do
    redis.call("XADD", mailbox_key(tell[1]), "*", "type", tell[2], "body", tell[3], "ts", now_text)
  end
  if c.keep ~= "" and by == c.token then
    redis.call("HSET", key, "at", c.next, "by", c.keep, "queued", now_text, "began", now_text, "attempts", "1", "tries", int((job[8] or 0) + 1),
      "started", c.next .. ":" .. (job[7] or "1"), unpack(record))
    c.events[#c.events + 1] = started_event(c.next, c.progress)
    emit(c.id, c.events, false, job[8] or 0)
    return { "kept", tonumber(work) }
  end
  take_off(c.mailbox, c.entry)
  if c.next == "" then
    redis.call("HSET", key, "attempts", "0", unpack(record))
    finish(c.id, "done", ttl, user_limit)
  else
    place(c.id, c.next_mailbox, "at", c.next, "by", "", "queued", now_text, "attempts", "0", unpack(record))
  end
  emit(c.id, c.events, c.next == "", job[8] or 0)
  return { c.next == "" and "ended" or "committed", tonumber(work) }
end

local answers = {}
while at_arg <= #ARGV do
  local c = {
    id = take(), stage = take(), mailbox = take(), entry = take(), token = take(), output = take(),
    next = take(), next_mailbox = take(), keep = take(), progress = take(), drop_image = take()
  }
  c.events = take_many(tonumber(take()))
  c.tells = {}
  for i = 1, tonumber(take()) do c.tells[i] = take_many(3) end
  answers[#answers + 1] = commit(c)
end
return answers
