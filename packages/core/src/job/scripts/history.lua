-- packages/core/src/job/scripts/history.lua
-- Prelude: the events of a job, in its history and in the live stream of its partition; seq is the place in the history (J4).
-- A job that takes its usual way has no list of events: they follow from its hash, and its history is implied. Before the first
-- event that does not follow from it (a retry, a second begin of a stage, an end but `done`) the list is written, once, and from
-- then on events are added to it. The fence says which of the two it is (fence.lua, `started`).
-- Stands below redis/scripts/clock.lua and fence.lua.
-- KEYS[1]  root    eco2:{p}; every key is built from it, so all share one slot
-- ARGV[1]  int     milliseconds added to Redis's clock; 0 but in tests
-- reply    none (functions only)
-- cost     O(1) each; list_history O(size of the job)
local max_events = 200
local live_millis = 60000
local function job_key(id) return root .. ":job:" .. id end

local told, live = {}, 0
local function stamp_of(millis) return '{"ts":' .. string.sub(millis, 1, -4) .. "." .. string.sub(millis, -3) .. "," end
local stamp = stamp_of(now_text)
local function started_event(stage, progress)
  return '"stage":"' .. stage .. '","status":"started","progress":' .. progress .. ',"result":null'
end
local function completed_event(stage, progress)
  return '"stage":"' .. stage .. '","status":"completed","progress":' .. progress .. ',"result":null'
end
local function queued_text(created) return stamp_of(created) .. started_event("queued", "0") .. "}" end

-- Adds events to the live stream; `last`: the seq of the last one.
local function tell(id, last, ...)
  local events = select("#", ...)
  told[live + 1] = id .. " " .. int(last - events + 1)
  for i = 1, events do told[live + 1 + i] = (select(i, ...)) end
  live = live + 1 + events
end

-- A checkpoint: `<milliseconds of work>@<when it was written> <json>`.
local function checkpoint_of(work, output) return int(work) .. "@" .. now_text .. " " .. output end

-- The events of a job whose history is implied. `flat`: the fields and values of its hash.
local function implied_events(f, flat)
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  local texts, progress = { queued_text(f.created) }, "0"
  local read, about = pcall(cjson.decode, fields.about or "")
  local plan = read and type(about) == "table" and type(about.plan) == "string" and about.plan or ""
  for stage, percent in string.gmatch(plan, "([^%s:]+):(%d+)") do
    local work, at = string.match(fields["o:" .. stage] or "", "^(%-?%d+)@(%d+) ")
    if not work then break end
    texts[#texts + 1] = stamp_of(int(at - work)) .. started_event(stage, progress) .. "}"
    texts[#texts + 1] = stamp_of(at) .. completed_event(stage, percent) .. "}"
    progress = percent
  end
  if f.state == "done" then
    texts[#texts + 1] = stamp_of(f.since) .. completed_event("done", "100") .. "}"
  elseif is_started(f) then
    texts[#texts + 1] = stamp_of(f.since) .. started_event(f.at, progress) .. "}"
  end
  return texts
end

-- Writes the history of a job as a list, if it is implied. To be called before the fence is changed; the caller writes the fence.
local function list_history(id, f, flat)
  if not f.implied then return end
  if not f.unheard then
    redis.call("RPUSH", job_key(id) .. ":events", unpack(implied_events(f, flat or redis.call("HGETALL", job_key(id)))))
  end
  f.started = is_started(f) and "1" or "-"
  f.implied = nil
end

-- Tells events, members of JSON without braces; the caller writes the fence afterwards. `queued` is told with the first other event;
-- until then `created` stands for it. An implied history has the events by the change they report, and counts them. A listed one
-- gets them here. It holds 200 events; its last place is reserved for the terminal event. `frames`: the last of these events opens
-- or ends a run and is written even without room, so that a redriven job with a full history still ends (J1). The room is checked
-- only after 40 begins.
local function emit(id, f, events, frames)
  local texts = {}
  if f.unheard then texts[1] = queued_text(f.created) end
  f.unheard = false
  for _, members in ipairs(events) do texts[#texts + 1] = stamp .. members .. "}" end
  if f.implied then
    f.implied = f.implied + #texts
    f.started = "~" .. int(f.implied)
    return tell(id, f.implied, unpack(texts))
  end
  local key = job_key(id) .. ":events"
  if tonumber(f.tries) > 40 then
    local room = (frames and max_events or max_events - 1) - redis.call("LLEN", key)
    while #texts > math.max(frames and 1 or 0, room) do table.remove(texts, frames and #texts - 1 or #texts) end
    if #texts == 0 then return end
  end
  tell(id, redis.call("RPUSH", key, unpack(texts)), unpack(texts))
end
