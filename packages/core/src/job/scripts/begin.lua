-- packages/core/src/job/scripts/begin.lua
-- Begins entries just read: fences each job for its new holder and returns its state. One call for all entries that a process
-- read together. One script, so that a delivery is counted before any handler runs (A2), `started` is written once for each
-- stage and run, and an entry that no longer represents its job is removed at once.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     deliveries allowed without a recorded result
-- ARGV[3]   int     LETTER_TTL, milliseconds
-- ARGV[4..] five for each entry: mailbox, stage, entry id, job id, token of this begin (`<consumer that read the entry>:…`)
-- reply     an array, one answer for each entry, in order:
--           {"run", milliseconds waited, field, value, …}  the job's hash after this begin; work may start
--           {"exhausted", 0, field, value, …}  the same, but it was delivered too often: give it up (bury.lua)
--           {"dropped", reason}   no work: "over" | "moved" | "rehomed" | "gone" | "unreadable" (the last two write a letter)
-- cost      O(size of the jobs); two writes for each entry
pass_when_full()
local max_deliveries, retention = tonumber(ARGV[2]), tonumber(ARGV[3])
local answers = {}

-- Whether the consumer that sent this begin still holds the entry. A process that was frozen or cut off during a read learns
-- only later that it was condemned; meanwhile a living process may work on the entry, and must not lose it (A1).
local function holds(mailbox, entry, token)
  local rows = redis.pcall("XPENDING", mailbox_key(mailbox), group, entry, entry, 1)
  -- a mailbox without a group; any other refusal is the caller's to know
  if rows.err and not string.find(rows.err, "NOGROUP", 1, true) then error(rows) end
  return not rows.err and rows[1] ~= nil and rows[1][2] == string.match(token, "^[^:]*")
end

local function letter(mailbox, id, stage, cause, message)
  write_letter(mailbox, retention, id, stage, cause, message, 0, now_text, 0)
end

local function begin(mailbox, stage, entry, id, token)
  local key = job_key(id)
  local flat = redis.call("HGETALL", key)
  if not flat[1] then
    -- a very late begin: the entry was acknowledged long ago, and its job has expired since
    if not take_off(mailbox, entry) then return { "dropped", "moved" } end
    letter(mailbox, id, stage, "JobGone", "the entry's job is not in Redis")
    return { "dropped", "gone" }
  end
  local f, place_of_fence, about
  for i = 1, #flat, 2 do
    if flat[i] == "now" then f, place_of_fence = fence_of(flat[i + 1]), i + 1 end
    if flat[i] == "about" then about = flat[i + 1] end
  end
  if not f then -- no readable fence: no script could end this job
    if not take_off(mailbox, entry) then return { "dropped", "moved" } end -- a repeat: its letter was written
    redis.call("ZREM", root .. ":timers", id)
    redis.call("PEXPIRE", key, retention)
    letter(mailbox, id, stage, "JobUnreadable", "the job's hash has an unknown format")
    return { "dropped", "unreadable" }
  end
  if is_over(f.state) then
    take_off(mailbox, entry)
    return { "dropped", "over" }
  end
  if f.cur ~= mailbox .. ":" .. entry then
    take_off(mailbox, entry)
    return { "dropped", "moved" }
  end
  local again = f.by ~= "-"
  if again and f.by ~= token and not holds(mailbox, entry, token) then return { "dropped", "moved" } end
  if f.at ~= stage then -- kept for another stage by a process that died: move it to that stage's mailbox
    local read, known = pcall(cjson.decode, about or "")
    if read and type(known.pipeline) == "string" then
      take_off(mailbox, entry)
      if again then f.deliveries = int(f.deliveries + 1) end
      place(id, f, known.pipeline .. "." .. f.at)
      write_fence(id, f)
      return { "dropped", "rehomed" }
    end
  end
  local waited = 0
  if f.by ~= token then
    if again then
      f.deliveries = int(f.deliveries + 1)
    else
      waited = math.max(0, now - (tonumber(f.since) or now))
      f.wait = int((tonumber(f.wait) or 0) + waited)
    end
    local started = f.started == "1"
    f.attempts, f.tries = int(f.attempts + 1), int(f.tries + 1)
    f.by, f.state, f.since, f.started = token, "running", now_text, "1"
    flat[place_of_fence] = text_of(f)
    redis.call("HSET", key, "now", flat[place_of_fence])
    if not started then emit(id, f, { started_event(stage, f.progress) }) end
  end
  local reply = { tonumber(f.deliveries) >= max_deliveries and "exhausted" or "run", waited }
  for i = 1, #flat do reply[2 + i] = flat[i] end
  return reply
end

for i = 4, #ARGV, 5 do
  answers[#answers + 1] = begin(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
end
return answer(answers)
