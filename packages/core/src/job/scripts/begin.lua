-- packages/core/src/job/scripts/begin.lua
-- Begins entries just read: fences each job for its new holder and returns its state. One call for all entries that a process
-- read together. One script, so that a run without a report is counted before the next one (A2), `started` is written once for each
-- stage and run, and an entry that no longer represents its job is removed at once.
-- A job whose last run ended without a report is a suspect: it is not begun at the first look, but when its process decides so
-- (mailbox/Suspicion.ts). Until then nobody holds its fence, so that a crash meanwhile is not counted.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     LETTER_TTL, milliseconds
-- ARGV[3..] six for each entry: mailbox, stage, entry id, job id, token of this begin (`<consumer that read the entry>:…`, with
--           `/alone` at its end when the job runs alone in its process), turn
--           turn: "look" begin it unless it is a suspect | "run" begin it | milliseconds to put it off, and it stays a suspect
-- reply     an array, one answer for each entry, in order:
--           {"run", milliseconds waited, field, value, …}  the job's hash after this begin; work may start
--           {"suspect", deliveries, 1 if this call has added to them}  nothing has begun
--           {"dropped", reason}   no work: "over" | "moved" | "rehomed" | "put off" | "gone" | "unreadable" (the last two write
--           a letter)
-- cost      O(size of the jobs); two writes for each entry
pass_when_full()
local retention = tonumber(ARGV[2])
local answers = {}

-- Whether the consumer that sent this begin still holds the entry. A process that was frozen or cut off during a read learns
-- only later that it was condemned; meanwhile a living process may work on the entry, and must not lose it (A1).
local function holds(mailbox, entry, token)
  local rows = redis.pcall("XPENDING", mailbox_key(mailbox), group, entry, entry, 1)
  -- a mailbox without a group; any other refusal is the caller's to know
  if rows.err and not string.find(rows.err, "NOGROUP", 1, true) then error(rows) end
  return not rows.err and rows[1] ~= nil and rows[1][2] == string.match(token, "^[^:]*")
end

-- Adds to the job's record (Suspicion.ts) how its last run ended without a report: 1 its process died, 1001 it died while the job
-- ran alone, 1000000 it is alive: that is the process which begins it again. The attempt is given back: the retry policy counts
-- failures of the handler.
local function count_unreported(f, token)
  local unit = string.find(f.by, "/alone$") and 1001 or 1
  if string.match(f.by, "^[^:]*") == string.match(token, "^[^:]*") then unit = 1000000 end
  f.deliveries = int(f.deliveries + unit)
  f.attempts = int(math.max(0, f.attempts - 1))
end

local function letter(mailbox, id, stage, cause, message)
  write_letter(mailbox, retention, id, stage, cause, message, 0, now_text, 0)
end

local function begin(mailbox, stage, entry, id, token, turn)
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
    if redis.call("PTTL", key) >= 0 then return { "dropped", "moved" } end -- it expires: it was given up before (scrub.lua), or ended
    expire_unreadable(id, retention)
    letter(mailbox, id, stage, "JobUnreadable", "the job's hash has an unknown format")
    return { "dropped", "unreadable" }
  end
  if is_over(f.state) then
    take_off(mailbox, entry)
    return { "dropped", "over" }
  end
  if f.cur ~= mailbox .. ":" .. entry or f.state == "delayed" then
    take_off(mailbox, entry)
    return { "dropped", "moved" }
  end
  local again = f.by ~= "-"
  local ours = f.by == token
  if not ours and (again or f.deliveries ~= "0") and not holds(mailbox, entry, token) then return { "dropped", "moved" } end
  if f.at ~= stage then -- kept for another stage by a process that died: move it to that stage's mailbox
    local read, known = pcall(cjson.decode, about or "")
    if read and type(known.pipeline) == "string" then
      take_off(mailbox, entry)
      if again then
        list_history(id, f, flat)
        count_unreported(f, token)
      end
      place(id, f, known.pipeline .. "." .. f.at)
      write_fence(id, f)
      return { "dropped", "rehomed" }
    end
  end
  local waited = 0
  if not ours then
    if again then
      list_history(id, f, flat)
      count_unreported(f, token)
      f.state, f.by, f.since = "waiting", "-", now_text
    end
    if f.deliveries ~= "0" and turn == "look" then
      if again then write_fence(id, f) end
      return { "suspect", tonumber(f.deliveries), again and 1 or 0 }
    end
    local away = tonumber(turn)
    if away then
      local due = int(math.min(now + away, tonumber(f.deadline)))
      -- `cur` stays: a process that was frozen and not dead may still have the result (A1)
      take_off(mailbox, entry)
      f.state, f.since = "delayed", now_text
      write_fence(id, f, "due", due, "home", mailbox)
      redis.call("ZADD", root .. ":timers", due, id)
      return { "dropped", "put off" }
    end
    if not again then
      waited = math.max(0, now - (tonumber(f.since) or now))
      f.wait = int((tonumber(f.wait) or 0) + waited)
    end
    f.attempts, f.tries = int(f.attempts + 1), int(f.tries + 1)
    f.by, f.state, f.since = token, "running", now_text
    if not is_started(f) then
      f.started = "1"
      emit(id, f, { started_event(stage, f.progress) })
    end
    flat[place_of_fence] = text_of(f)
    redis.call("HSET", key, "now", flat[place_of_fence])
  end
  local reply = { "run", waited }
  for i = 1, #flat do reply[2 + i] = flat[i] end
  return reply
end

for i = 3, #ARGV, 6 do
  answers[#answers + 1] = begin(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5])
end
return answer(answers)
