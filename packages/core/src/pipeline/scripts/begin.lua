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
--           {"run", now, ts of arrival, field, value, …}  the job's hash; work may start
--           {"exhausted", now, deliveries, field, value, …}  the same, but it was delivered too often: bury it
--           {"dropped", reason}   nothing to do: "over" | "moved" | "rehomed" | "gone" (the last leaves a letter)
-- cost      O(size of the jobs); two to six writes an entry
pass_when_full()
local max_deliveries, retention = tonumber(ARGV[2]), tonumber(ARGV[3])
local answers = {}

local function begin(mailbox, stage, entry, id, token)
  local key = job_key(id)
  local job = redis.call("HMGET", key, "state", "at", "cur", "by", "run", "started", "deliveries", "plan", "queued", "progress")
  local state, at, cur, by, run = job[1], job[2], job[3], job[4], job[5]
  if not state then
    take_off(mailbox, entry)
    redis.call("XADD", root .. ":dead:" .. mailbox, "MINID", "~", real_now - retention, "*",
      "job", id, "stage", stage, "cause", "JobGone", "message", "the entry's job is not in Redis", "attempts", 0, "first", now, "last", now, "run", 0)
    return { "dropped", "gone" }
  end
  if is_over(state) then
    take_off(mailbox, entry)
    return { "dropped", "over" }
  end
  if cur ~= mailbox .. ":" .. entry then
    take_off(mailbox, entry)
    return { "dropped", "moved" }
  end
  if at ~= stage then -- kept for another stage by a process that died: send it where it belongs
    for _, step in ipairs(cjson.decode(job[8])) do
      if step.name == at then
        take_off(mailbox, entry)
        place(id, step.mailbox)
        redis.call("HSET", key, "by", "")
        return { "dropped", "rehomed" }
      end
    end
  end
  local arrived = tonumber(job[9])
  local deliveries = tonumber(job[7])
  if by ~= token then
    if by ~= "" then
      deliveries = redis.call("HINCRBY", key, "deliveries", 1)
    else
      redis.call("HINCRBY", key, "wait", math.max(0, now - arrived))
    end
    redis.call("HSET", key, "by", token, "state", "running", "began", now)
    redis.call("HINCRBY", key, "attempts", 1)
    redis.call("HINCRBY", key, "tries", 1)
    if job[6] ~= stage .. ":" .. run then
      redis.call("HSET", key, "started", stage .. ":" .. run)
      emit(id, { '"stage":"' .. stage .. '","status":"started","progress":' .. job[10] .. ',"result":null' })
    end
  end
  local verdict = deliveries >= max_deliveries and "exhausted" or "run"
  local answer = { verdict, now, verdict == "run" and arrived or deliveries }
  for _, part in ipairs(redis.call("HGETALL", key)) do answer[#answer + 1] = part end
  return answer
end

for i = 4, #ARGV, 5 do
  answers[#answers + 1] = begin(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
end
return answers
