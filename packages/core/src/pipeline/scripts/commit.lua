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
-- ARGV[4..] a commit each:
--           uuid    job id
--           text    `<mailbox>:<entry id>` it was taken from
--           text    token of its begin
--           text    five words: stage, progress (percent), "1" where it was the last stage that reads the image, next stage
--                   ("-" = none), next mailbox
--           text    token of the next begin to keep the job with, "" = do not
--           json    output
--           int     tells, then three each: mailbox, type, body
-- reply     an array, one answer a commit: {"committed" | "kept" | "ended", work ms} (again for a repeat)
--           | {"lost", 0} the job stands elsewhere by now | {"gone", 0} its hash is not there; nothing was changed
-- cost      O(1) a commit; four writes and those of an end, two when kept
pass_when_full()
local ttl, user_limit = tonumber(ARGV[2]), tonumber(ARGV[3])

local function commit(id, cur, token, step, keep, output, tells_from, tells)
  local stage, progress, drop_image, next_stage, next_mailbox = string.match(step, "^(%S+) (%S+) (%S+) (%S+) (%S+)$")
  local last = next_stage == "-"
  local f = read_fence(id)
  if not f then return { "gone", 0 } end
  if f.last == token then
    if last then return { "ended", 0 } end
    return { keep ~= "" and f.by == keep and "kept" or "committed", 0 }
  end
  if f.at ~= stage or f.cur ~= cur or is_over(f.state) then return { "lost", 0 } end
  local work = now - (tonumber(f.since) or now)
  local checkpoint, value = "o:" .. stage, int(work) .. " " .. output
  local holder = f.by == token
  f.last, f.deliveries, f.progress = token, "0", progress
  if drop_image == "1" and f.image == "1" then
    redis.call("DEL", job_key(id) .. ":image")
    f.image = "-"
  end
  for i = tells_from, tells_from + tells * 3 - 1, 3 do
    redis.call("XADD", mailbox_key(ARGV[i]), "*", "type", ARGV[i + 1], "body", ARGV[i + 2], "ts", now_text)
  end
  local completed = '"stage":"' .. stage .. '","status":"completed","progress":' .. progress .. ',"result":null'
  if keep ~= "" and holder then
    f.at, f.by, f.since, f.attempts, f.tries, f.started = next_stage, keep, now_text, "1", int(f.tries + 1), "1"
    write_fence(id, f, checkpoint, value)
    emit(id, f, { completed, started_event(next_stage, progress) })
    return { "kept", work }
  end
  take_off_current(f)
  f.attempts = "0"
  if last then
    finish(id, f, "done", { completed, '"stage":"done","status":"completed","progress":100,"result":null' }, ttl, user_limit, nil,
      checkpoint, value)
    return { "ended", work }
  end
  f.at, f.started = next_stage, "-"
  place(id, f, next_mailbox)
  write_fence(id, f, checkpoint, value)
  emit(id, f, { completed })
  return { "committed", work }
end

local answers, at = {}, 4
while at <= #ARGV do
  local tells = tonumber(ARGV[at + 6])
  answers[#answers + 1] = commit(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5], at + 7, tells)
  at = at + 7 + tells * 3
end
return answer(answers)
