-- packages/core/src/schedule/scripts/cron.lua
-- Prelude of fire, keep and steer, below job.lua: reads a schedule's hash and performs a run.
-- KEYS[1]  root    eco2:{p}
-- ARGV     none
-- reply    none (functions only)
-- cost     O(log open jobs)
local crons = root .. ":crons"
local function cron_key(name) return root .. ":cron:" .. name end

local function is_open(id)
  local f = id and read_fence(id)
  return f and not is_over(f.state) or false
end

-- Performs one run: a job, or a message when there is no stage. `work`: mailbox, stage, kind (pipeline, or message type), plan,
-- allowed (deadline, milliseconds), payload (JSON), capacity (entries). Returns "full": nothing happened.
local function perform(work, id, trace)
  local mailbox, stage, kind, plan, allowed, payload = unpack(work, 1, 6)
  local capacity = tonumber(work[7])
  if stage == "" then
    if redis.call("XLEN", mailbox_key(mailbox)) >= capacity then return "full" end
    redis.call("XADD", mailbox_key(mailbox), "*", "type", kind, "body", payload, "ts", now_text)
    return "fired"
  end
  if redis.call("EXISTS", job_key(id)) == 1 then return "fired" end
  local in_lanes = tonumber(redis.call("HGET", running_key, "") or 0)
  if redis.call("XLEN", mailbox_key(mailbox)) + in_lanes >= capacity then return "full" end
  -- a job without an owner is never in a lane
  local f = new_fence(stage, tonumber(allowed), false, "")
  place(id, f, mailbox)
  write_fence(id, f, "about", '{"pipeline":"' .. kind .. '","trace":"' .. trace .. '","hash":"","plan":"' .. plan .. '"}',
    "input", payload)
  redis.call("ZADD", root .. ":timers", f.deadline, id)
  return "fired"
end
