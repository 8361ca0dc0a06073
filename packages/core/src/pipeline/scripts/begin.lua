-- packages/core/src/pipeline/scripts/begin.lua
-- Takes up entries just read: fences each job for its new holder and hands out its state. One call for all entries a
-- process read together. One script, so that delivery is counted before any handler runs (A2), `started` is written
-- once a stage and run, and an entry that no longer stands for a job leaves the mailbox at once.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     deliveries allowed without a settled result
-- ARGV[3]   int     LETTER_TTL, milliseconds
-- ARGV[4..] five an entry: mailbox, stage, entry id, job id, token of this begin
-- reply     an array, one answer an entry, in order:
--           {"run", now, ts of arrival, attempts, tries, field, value, …}  the job's hash before this begin; work may start
--           {"exhausted", now, deliveries, attempts, tries, field, value, …}  the same, but it was delivered too often: bury it
--           {"dropped", reason}   nothing to do: "over" | "moved" | "rehomed" | "gone" (the last leaves a letter)
-- cost      O(size of the jobs); two to five writes an entry
pass_when_full()
local max_deliveries, retention = tonumber(ARGV[2]), tonumber(ARGV[3])
local answers = {}

local function begin(mailbox, stage, entry, id, token)
  local key = job_key(id)
  local job, flat = read_job(id)
  if not job.state then
    take_off(mailbox, entry)
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
  if job.at ~= stage then -- kept for another stage by a process that died: send it where it belongs
    for _, step in ipairs(cjson.decode(job.about).plan) do
      if step.name == job.at then
        take_off(mailbox, entry)
        place(id, step.mailbox, "by", "", "queued", now)
        if by ~= "" then redis.call("HINCRBY", key, "deliveries", 1) end
        return { "dropped", "rehomed" }
      end
    end
  end
  local arrived = tonumber(job.queued or job.created)
  local deliveries, attempts, tries = tonumber(job.deliveries or 0), tonumber(job.attempts or 0), tonumber(job.tries or 0)
  if by ~= token then
    if by ~= "" then deliveries = deliveries + 1 end
    attempts, tries = attempts + 1, tries + 1
    local run = job.run or "1"
    redis.call("HSET", key, "by", token, "state", "running", "began", now, "attempts", attempts, "tries", tries,
      "deliveries", deliveries, "started", stage .. ":" .. run,
      "wait", tonumber(job.wait or 0) + (by == "" and math.max(0, now - arrived) or 0))
    if job.started ~= stage .. ":" .. run then emit(id, { started_event(stage, job.progress or "0") }) end
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
