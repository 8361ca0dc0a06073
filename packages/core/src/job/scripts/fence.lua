-- packages/core/src/job/scripts/fence.lua
-- Prelude: the fence, the part of a job that transitions read and write. It is one field of the job's hash, `now`: words
-- separated by spaces, "-" for none. One field, because each field costs a job 80 bytes, and time at every step. The order of
-- the words is defined here and in job/Fence.ts; a test compares them:
--   state at cur by last attempts tries deliveries started progress since    changed by a stage
--   run admitted created wait deadline letter image owner                    the rest, which a commit copies as one piece
-- `since`: when the state began. `started`: "1" the current stage has begun, "-" it has not; "~<number>": the job's history is
-- implied (history.lua), and has so many events: queued, and two for each stage, so the stage has begun when the number is even.
-- The owner is last, because it may contain spaces.
-- Stands below redis/scripts/clock.lua.
-- KEYS, ARGV  none
-- reply       none (functions only)
-- cost        O(1) each

-- The eleven words that a stage changes, and the rest; nil when the text is no fence: it has too few words, or another text than
-- digits where a script counts (attempts, tries, deliveries, progress; of the rest run and deadline), which would end it half done.
local changing_words = "^" .. string.rep("(%S+) ", 5) .. string.rep("(%d+) ", 3) .. "(%S+) (%d+) (%S+) (.*)$"
local function split_fence(text) return string.match(text, changing_words) end
local function join_fence(state, at, cur, by, last, attempts, tries, deliveries, started, progress, since, rest)
  return state .. " " .. at .. " " .. cur .. " " .. by .. " " .. last .. " " .. attempts .. " " .. tries .. " " .. deliveries .. " " ..
    started .. " " .. progress .. " " .. since .. " " .. rest
end

local function fence_of(text)
  if not text then return nil end
  local state, at, cur, by, last, attempts, tries, deliveries, started, progress, since, rest = split_fence(text)
  if not state then return nil end
  local run, admitted, created, wait, deadline, letter, image, owner =
    string.match(rest, "^(%d+) (%S+) (%S+) (%S+) (%d+) (%S+) (%S+) (.*)$")
  if not run then return nil end
  return { state = state, at = at, cur = cur, by = by, last = last, attempts = attempts, tries = tries,
    deliveries = deliveries, started = started, progress = progress, since = since, run = run, admitted = admitted,
    created = created, wait = wait, deadline = deadline, letter = letter, image = image, owner = owner,
    implied = tonumber(string.match(started, "^~(%d+)$")), unheard = run == "1" and tries == "0" }
end
-- The number of events of an implied history says whether the current stage has begun.
local function is_started(f)
  if f.implied then return f.implied > 0 and f.implied % 2 == 0 end
  return f.started == "1"
end
local function text_of(f)
  return join_fence(f.state, f.at, f.cur, f.by, f.last, f.attempts, f.tries, f.deliveries, f.started, f.progress, f.since,
    f.run .. " " .. f.admitted .. " " .. f.created .. " " .. f.wait .. " " .. f.deadline .. " " .. f.letter .. " " .. f.image ..
    " " .. f.owner)
end

-- The fence of a new job. `allowed`: its deadline, milliseconds from now.
local function new_fence(stage, allowed, has_image, owner)
  return { state = "lane", at = stage, cur = "-", by = "-", last = "-", run = "1", attempts = "0", tries = "0",
    deliveries = "0", admitted = "-", started = "~0", progress = "0", created = now_text, since = now_text, wait = "0",
    deadline = int(now + allowed), letter = "-", image = has_image and "1" or "-", owner = owner }
end
