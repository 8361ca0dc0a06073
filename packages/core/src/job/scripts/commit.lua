-- packages/core/src/job/scripts/commit.lua
-- Records a stage's success: checkpoint, events, tells, the next entry and the acknowledgement, all or none (J3). A committed
-- stage never runs again (J2); after the last one the result is readable before `done` is visible (J5).
-- A success counts from any process that held the entry: `at` and `cur` are checked, `by` is not. Commits of one tick share a
-- call. A process with a free slot may keep the job for the next stage: the entry stays in its mailbox, the hash names the next
-- stage, and that stage has begun. Only the current holder (`by`) may keep.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     JOB_TTL, milliseconds: how long an ended job is kept
-- ARGV[3]   int     USER_CONCURRENCY
-- ARGV[4..] a commit each:
--           uuid    job id
--           text    `<mailbox>:<entry id>` it was taken from
--           text    token of its begin
--           text    five words: stage, progress (percent), "1" if this is the last stage that reads the image, next stage
--                   ("-" = none), next mailbox
--           text    token of the next begin, to keep the job; "" = hand it off
--           json    output
--           int     tells, then three each: mailbox, type, body
-- reply     an array, one answer for each commit: {"committed" | "kept" | "ended", work ms} (0 ms for a repeat)
--           | {"lost", 0} the job has moved on | {"gone", 0} the job does not exist; nothing was changed
-- cost      O(1) for each commit; four writes, more for the last stage, two when kept
pass_when_full()
local ttl, user_limit = tonumber(ARGV[2]), tonumber(ARGV[3])

local steps = {} -- five words, the same for every job of a stage
local function step_of(text)
  local known = steps[text]
  if not known then
    local stage, progress, drop_image, next_stage, next_mailbox = string.match(text, "^(%S+) (%S+) (%S+) (%S+) (%S+)$")
    known = { stage = stage, progress = progress, drop_image = drop_image == "1", next = next_stage, mailbox = next_mailbox,
      last = next_stage == "-", checkpoint = "o:" .. stage,
      completed = stamp .. completed_event(stage, progress) .. "}",
      started = stamp .. started_event(next_stage, progress) .. "}" }
    steps[text] = known
  end
  return known
end

local function commit(id, cur, token, step_text, keep, output, tells_from, tells)
  local key, step = job_key(id), step_of(step_text)
  local fence = redis.call("HGET", key, "now")
  if not fence then return { "gone", 0 } end
  local state, at, stands, by, last, _, tries, _, started, _, since, rest = split_fence(fence)
  if not state then return { "gone", 0 } end
  if last == token then
    if step.last then return { "ended", 0 } end
    return { keep ~= "" and by == keep and "kept" or "committed", 0 }
  end
  if at ~= step.stage or stands ~= cur or is_over(state) then return { "lost", 0 } end
  local implied = tonumber(string.match(started, "^~(%d+)$"))
  -- a job begun ten times or more may have no room for these events in its listed history: it is handed off
  local keeps, f = keep ~= "" and by == token and (implied or #tries < 2), nil
  if not keeps then
    f = fence_of(fence)
    if not f then return { "gone", 0 } end
  end
  local work = now - (tonumber(since) or now)
  local checkpoint = checkpoint_of(work, output)
  if step.drop_image then redis.call("DEL", key .. ":image") end
  for i = tells_from, tells_from + tells * 3 - 1, 3 do
    redis.call("XADD", mailbox_key(ARGV[i]), "*", "type", ARGV[i + 1], "body", ARGV[i + 2], "ts", now_text)
  end
  if keeps then
    redis.call("HSET", key, step.checkpoint, checkpoint, "now",
      join_fence("running", step.next, cur, keep, token, "1", int(tries + 1), "0",
        implied and "~" .. int(implied + 2) or "1", step.progress, now_text, rest))
    tell(id, implied and implied + 2 or redis.call("RPUSH", key .. ":events", step.completed, step.started),
      step.completed, step.started)
    return { "kept", work }
  end
  if f.state == "delayed" then redis.call("ZADD", root .. ":timers", f.deadline, id) end -- put off, and its result came late
  local events = {}
  if not is_started(f) then -- the promoted replica lacks the begin: its event comes now, so that the history is in order (J4)
    list_history(id, f)
    events[1] = started_event(step.stage, f.progress)
  end
  f.last, f.deliveries, f.progress, f.attempts = token, "0", step.progress, "0"
  take_off_current(f)
  events[#events + 1] = completed_event(step.stage, step.progress)
  if step.last then
    events[#events + 1] = completed_event("done", "100")
    f.pipeline = string.match(cur, "^([^.]+)%.")
    finish(id, f, "done", events, ttl, user_limit, nil, step.checkpoint, checkpoint)
    return { "ended", work }
  end
  f.at, f.started = step.next, "-"
  place(id, f, step.mailbox)
  emit(id, f, events)
  if f.tries == "0" then f.tries = "1" end -- `queued` is written: it must not come again
  write_fence(id, f, step.checkpoint, checkpoint)
  return { "committed", work }
end

local answers, at = {}, 4
while at <= #ARGV do
  local tells = tonumber(ARGV[at + 6])
  answers[#answers + 1] = commit(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5], at + 7, tells)
  at = at + 7 + tells * 3
end
return answer(answers)
