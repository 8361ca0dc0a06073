-- packages/core/src/pipeline/scripts/begin.lua
-- Takes up entries just read: fences each job for its new holder and hands out its state. One call for all entries a
-- process read together. One script, so that delivery is counted before any handler runs (A2), `started` is written
-- once a stage and run, and an entry that no longer stands for a job leaves the mailbox at once.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     deliveries allowed without a settled result
-- ARGV[3]   int     LETTER_TTL, milliseconds
-- ARGV[4..] five an entry: mailbox, stage, entry id, job id, token of this begin (`<consumer that was given the entry>:…`)
-- reply     an array, one answer an entry, in order:
--           {"run", now, ts of arrival, attempts, tries, field, value, …}  the job's hash before this begin; work may start
--           {"exhausted", now, deliveries, attempts, tries, field, value, …}  the same, but it was delivered too often: bury it
--           {"dropped", reason}   nothing to do: "over" | "moved" | "rehomed" | "gone" (the last leaves a letter)
-- cost      O(size of the jobs); two to five writes an entry
pass_when_full()
local max_deliveries, retention = tonumber(ARGV[2]), tonumber(ARGV[3])
local answers = {}

-- Whether the entry is still in the hands of the consumer this begin comes from. One frozen or cut off with a read under way
-- learns of its death only after it; by then the entry may be in work elsewhere, and a living process is never robbed (A1).
local function holds(mailbox, entry, token)
  local rows = redis.pcall("XPENDING", mailbox_key(mailbox), group, entry, entry, 1)
  return not rows.err and rows[1] ~= nil and rows[1][2] == string.match(token, "^[^:]*")
end

local function begin(mailbox, stage, entry, id, token)
  local key = job_key(id)
  local job, flat = read_job(id)
  if not job.state then
    -- acknowledged long ago, and its job has expired since: a begin that comes very late has nothing to tell
    if not take_off(mailbox, entry) then return { "dropped", "moved" } end
    redis.call("XADD", root .. ":dead:" .. mailbox, "MINID", "~", real_now - retention, "*",
      "job", id, "stage", stage, "cause", "JobGone", "message", "the entry's job is not in Redis", "attempts", 0, "first", now, "last", now, "run", 0)
    return { "dropped", "gone" }
  end
  if is_over(job.state) then
    take_off(mailbox, entry)
    return { "dropped", "over" }
  end
  if job.cur ~= mailbox .. ":" .. entry then
    take_off(mailbox, entry)
    return { "dropped", "moved" }
  end
  local by = job.by or ""
  if by ~= "" and by ~= token and not holds(mailbox, entry, token) then return { "dropped", "moved" } end
  if job.at ~= stage then -- kept for another stage by a process that died: send it where it belongs
    local known, about = pcall(cjson.decode, job.about)
    for _, step in ipairs(known and about.plan or {}) do
      if step.name == job.at then
        take_off(mailbox, entry)
        place(id, step.mailbox, "by", "", "queued", now)
        if by ~= "" then redis.call("HINCRBY", key, "deliveries", 1) end
        return { "dropped", "rehomed" }
      end
    end
  end
  -- a hash that another make of this wrote is the caller's to judge: no error here, it would fail its neighbours too
  local arrived = tonumber(job.queued or job.created) or now
  local deliveries, attempts, tries = tonumber(job.deliveries or 0), tonumber(job.attempts or 0), tonumber(job.tries or 0)
  if by ~= token then
    if by ~= "" then deliveries = deliveries + 1 end
    attempts, tries = attempts + 1, tries + 1
    local run = job.run or "1"
    redis.call("HSET", key, "by", token, "state", "running", "began", now_text, "attempts", int(attempts), "tries", int(tries),
      "deliveries", int(deliveries), "started", stage .. ":" .. run,
      "wait", int(tonumber(job.wait or 0) + (by == "" and math.max(0, now - arrived) or 0)))
    if job.started ~= stage .. ":" .. run then emit(id, { started_event(stage, job.progress or "0") }, false, tries) end
  end
  local verdict = deliveries >= max_deliveries and "exhausted" or "run"
  local answer = { verdict, now, verdict == "run" and arrived or deliveries, attempts, tries }
  for i = 1, #flat do answer[5 + i] = flat[i] end
  return answer
end

for i = 4, #ARGV, 5 do
  answers[#answers + 1] = begin(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
end
return answers
