-- packages/core/src/job/scripts/scrub.lua
-- Finds open jobs that nothing in Redis stands for any more, and puts them back (J1). An open job has an entry in a mailbox, or
-- pending there, while it is waiting or running; a place in its user's lane while it is in the lane; and always a timer. One
-- script, so that a job is looked at between two transitions, and is moved by none while it is put back.
-- "find" changes nothing. "mend" is sent later, with the fence that "find" saw: only a job that still has it, and still lacks
-- something, is put back. Its new entry is another one, so a commit for the lost entry counts no more (J2).
-- A job whose fence is unreadable can be moved by no script: "mend" leaves a dead letter of it, and it expires with that. One that
-- expires already had a letter, or had ended.
-- "find" also names the job that is next in each lane: scrub-lanes.lua looks whether it stands still.
-- Stands below lane.lua.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  "find" | "mend"
-- ARGV[3]  int     LETTER_TTL, milliseconds
-- ARGV[4..] find: uuid of a job each; mend: two each: uuid, fence that find returned
-- reply    an array, for each job that lacks something: {uuid, fence, stage, "entry" | "lane" | "timer" | "fence"}; find: also
--          {uuid, fence, stage, "next"}; mend: the jobs put back, and for "fence" in place of the stage the mailbox of the letter,
--          "" where none could be written
-- cost     O(log open jobs) for each job; for a job in a lane O(length of the lane)
local read_last = {} -- by mailbox: the last entry its group was given; "" without a group
local function last_delivered(name)
  if read_last[name] then return read_last[name] end
  local last = ""
  local groups = redis.pcall("XINFO", "GROUPS", mailbox_key(name))
  for _, info in ipairs(groups.err and {} or groups) do
    local is_ours, id = false, ""
    for i = 1, #info, 2 do
      if info[i] == "name" then is_ours = info[i + 1] == group end
      if info[i] == "last-delivered-id" then id = info[i + 1] end
    end
    if is_ours then last = id end
  end
  read_last[name] = last
  return last
end
local function is_after(one, other)
  local millis, seq = string.match(one, "^(%d+)%-(%d+)$")
  local other_millis, other_seq = string.match(other, "^(%d+)%-(%d+)$")
  if not other_millis then return true end -- without a group everything will be delivered
  if millis ~= other_millis then return tonumber(millis) > tonumber(other_millis) end
  return tonumber(seq) > tonumber(other_seq)
end

-- Whether a process has the entry, or will be given it. What a process has counts even when the stream lacks it: it still commits.
local function has_entry(f)
  local name, entry = string.match(f.cur, "^(.+):(%d+%-%d+)$")
  if not name then return false end
  local pending = redis.pcall("XPENDING", mailbox_key(name), group, entry, entry, 1)
  if not pending.err and pending[1] then return true end
  return #redis.call("XRANGE", mailbox_key(name), entry, entry) == 1 and is_after(entry, last_delivered(name))
end

local function lacks(id, f)
  if f.state == "waiting" or f.state == "running" then
    if not has_entry(f) then return "entry" end
  elseif f.state == "lane" then
    if not redis.call("LPOS", lane_key(f.owner), id) then return "lane" end
  end
  return not redis.call("ZSCORE", root .. ":timers", id) and "timer" or nil
end

local function put_back_job(id, f, what)
  if what ~= "timer" then
    local home = stage_mailbox(id, f)
    if not home then return false end
    list_history(id, f)
    take_off_current(f)
    if what == "lane" then -- past its turn: the lane may be gone, and with it whoever would let the job in
      count("", -1)
      count(f.owner, 1)
      f.admitted = "1"
    end
    place(id, f, home)
    write_fence(id, f)
  end
  local due = tonumber(f.deadline)
  if f.state == "delayed" or f.state == "parked" then
    due = math.min(due, tonumber(redis.call("HGET", job_key(id), "due") or due))
  end
  redis.call("ZADD", root .. ":timers", "NX", int(due), id)
  return true
end

-- The mailbox whose dead letters have the job: that of the stage its fence names, if it still names one of its pipeline, else that
-- of its first stage; "" when nothing tells.
local function mailbox_of_unreadable(id, text)
  local read, about = pcall(cjson.decode, redis.call("HGET", job_key(id), "about") or "")
  if not read or type(about) ~= "table" or type(about.pipeline) ~= "string" or type(about.plan) ~= "string" then return "" end
  local at = string.match(text, "^%S+ (%S+) ")
  local first
  for name in string.gmatch(" " .. about.plan, " ([^ :]+):") do
    first = first or name
    if name == at then return about.pipeline .. "." .. at end
  end
  return first and about.pipeline .. "." .. first or ""
end
local function give_up_unreadable(id, text)
  local retention, mailbox = tonumber(ARGV[3]), mailbox_of_unreadable(id, text)
  if mailbox ~= "" then
    write_letter(mailbox, retention, id, string.match(mailbox, "([^.]*)$"), "JobUnreadable", "the job's fence is unreadable", 0,
      now_text, 0)
  end
  expire_unreadable(id, retention)
  return mailbox
end

-- Whether the scripts that would put the job back can reckon with its fence.
local function is_sound(f)
  for _, word in ipairs({ "attempts", "tries", "deliveries", "progress", "since", "run", "created", "wait", "deadline" }) do
    if not tonumber(f[word]) then return false end
  end
  return true
end

local found, mends = {}, ARGV[2] == "mend"
if mends then pass_when_full() end
for i = 4, #ARGV, mends and 2 or 1 do
  local id = ARGV[i]
  local text = redis.call("HGET", job_key(id), "now") or ""
  local f = fence_of(text)
  local what = f and not is_over(f.state) and lacks(id, f)
  if mends and text ~= ARGV[i + 1] then -- it has moved
  elseif not f or what and not is_sound(f) then
    if redis.call("PTTL", job_key(id)) == -1 then
      found[#found + 1] = { id, text, mends and give_up_unreadable(id, text) or "", "fence" }
    end
  elseif what then
    if not mends or put_back_job(id, f, what) then found[#found + 1] = { id, text, f.at, what } end
  elseif not mends and f.state == "lane" and is_next(f.owner, redis.call("LPOS", lane_key(f.owner), id)) then
    found[#found + 1] = { id, text, f.at, "next" }
  end
end
return found
