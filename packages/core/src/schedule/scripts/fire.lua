-- packages/core/src/schedule/scripts/fire.lua
-- A process looks at the schedules it declares: what is due fires. One script, so that a slot is claimed by one process and
-- its run handed in by the same step (T1); Redis's clock decides what is due, whatever the process thinks the time is.
-- A slot fires when it is later than the last one and than `since`, when this expression came into force: what passed
-- before is nobody's to catch up. Of several slots missed the process asks for the latest, the others are passed over.
-- Whose expression is in force: of a process that has just started, or that finds nobody of the other one looking any more.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   word    the process
-- ARGV[3]   int     milliseconds without a look after which an expression is not in force any more
-- ARGV[4]   int     milliseconds without a look after which a schedule is forgotten
-- ARGV[5..] fifteen a schedule:
--           word    name
--           text    expression, as it is shown
--           int     when this process declared it, Redis time; "" at its first look
--           int     the latest slot by the process's clock, epoch milliseconds
--           int     the slot after it
--           word    skip | allow: what a slot does while the last run is open
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
--           fired | skipped (the last run is open; both also when this process has asked before) | idle (not due, or another's)
--           | early (the process's clock is ahead) | full (the mailbox; nothing is claimed) | paused | other (expression)
-- cost      O(log open jobs) a schedule
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
  -- what a run by hand works on
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
