-- packages/core/src/schedule/scripts/fire.lua
-- Checks schedules of a process whose slots are due by its clock, and fires those that are due by Redis's, which decides: the
-- process's may be wrong. One script, so that one process claims a slot and submits its run in the same step (T1).
-- A slot fires when it is later than the last slot and than `since`, the time this expression came into force. Of missed slots
-- the process checks only the latest. An expression comes into force when a process starts with it, or when no process has
-- checked the other expression for a while.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   word    the process
-- ARGV[3]   int     milliseconds without a check after which an expression is no longer in force
-- ARGV[4]   int     milliseconds without a check after which a schedule is deleted
-- ARGV[5..] fifteen for each schedule:
--           word    name
--           text    expression, as it is shown
--           int     when this process declared it, Redis time; "" at its first check
--           int     the latest slot by the process's clock, epoch milliseconds
--           int     the slot after it
--           word    skip | allow: for a slot while the last run is open
--           text    mailbox
--           word    first stage, "" for a message
--           word    pipeline, or type of message
--           text    plan
--           int     deadline of the job, milliseconds
--           json    input, or body of the message
--           int     capacity of the mailbox in this partition, entries
--           uuid    job id, the same in every process for this slot
--           text    traceparent
-- reply     {Redis time, outcome, job id, outcome, job id, …}; outcomes:
--           fired | skipped (the last run is open) (both also for a repeat by this process) | idle (not due, or claimed by another)
--           | early (the process's clock is ahead) | full (the mailbox; nothing is claimed) | paused | other (expression)
-- cost      O(log open jobs) for each schedule
local process, stale, forget = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local function look(name, spec, declared, slot, next_slot, overlap, ...)
  local key = cron_key(name)
  local known = redis.call("HMGET", key, "spec", "since", "slot", "paused", "job", "by", "outcome")
  local since, last, job = tonumber(known[2] or 0), tonumber(known[3] or 0), known[5] or ""
  if known[1] ~= spec then
    local seen = tonumber(redis.call("ZSCORE", crons, name) or 0)
    local first = declared == "" or not known[1]
    if not first and now - seen < stale then return "other", "" end
    since = first and now or math.max(seen, tonumber(declared))
    redis.call("HSET", key, "spec", spec, "since", int(since))
  end
  redis.call("ZADD", crons, now_text, name)
  local mailbox, stage, kind, plan, allowed, payload, capacity, id, trace = ...
  -- the work of a manual run
  redis.call("HSET", key, "next", next_slot, "overlap", overlap, "mailbox", mailbox, "stage", stage, "kind", kind,
    "plan", plan, "allowed", allowed, "payload", payload, "capacity", capacity)
  slot = tonumber(slot)
  if slot > now then return "early", "" end
  if slot == last and known[6] == process then return known[7], job end
  if known[4] then return "paused", "" end
  if slot <= last or slot <= since then return "idle", "" end
  if overlap == "skip" and is_open(job) then
    redis.call("HSET", key, "slot", int(slot), "by", process, "outcome", "skipped")
    redis.call("HINCRBY", key, "skips", 1)
    return "skipped", job
  end
  if perform({ ... }, id, trace) == "full" then return "full", "" end
  job = stage == "" and "" or id
  redis.call("HSET", key, "slot", int(slot), "by", process, "outcome", "fired", "job", job, "fired", now_text)
  redis.call("HINCRBY", key, "fires", 1)
  return "fired", job
end

local answers = { now_text }
for i = 5, #ARGV, 15 do
  answers[#answers + 1], answers[#answers + 2] = look(unpack(ARGV, i, i + 14))
end
for _, name in ipairs(redis.call("ZRANGEBYSCORE", crons, "-inf", int(now - forget), "LIMIT", 0, 10)) do
  redis.call("DEL", cron_key(name))
  redis.call("ZREM", crons, name)
end
return answer(answers)
