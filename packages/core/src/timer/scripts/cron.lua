-- packages/core/src/timer/scripts/cron.lua
-- Prelude of fire and steer, below job.lua and accept.lua: a schedule's hash, and what a run of it does.
-- KEYS[1]  root    eco2:{p}
-- ARGV     none of its own
-- reply    none (functions only)
-- cost     O(log open jobs)
local crons = root .. ":crons"
local function cron_key(name) return root .. ":cron:" .. name end

local function is_open(id)
  local f = id and read_fence(id)
  return f and not is_over(f.state) or false
end

-- One run: a job, or a message where there is no stage. `work`: mailbox, stage, kind (pipeline, or message type), plan,
-- allowed (deadline, milliseconds), payload (JSON). "full": nothing happened.
local function perform(work, capacity, id, trace)
  local mailbox, stage, kind, plan, allowed, payload = unpack(work, 1, 6)
  if stage == "" then
    if redis.call("XLEN", mailbox_key(mailbox)) >= capacity then return "full" end
    redis.call("XADD", mailbox_key(mailbox), "*", "type", kind, "body", payload, "ts", now_text)
    return "fired"
  end
  local about = '{"pipeline":"' .. kind .. '","trace":"' .. trace .. '","hash":"","plan":"' .. plan .. '"}'
  -- nobody's job: no user's turn to wait for
  local rules = { allowed = tonumber(allowed), capacity = capacity, limit = 0, lane_capacity = 0 }
  return accept(rules, id, "", about, stage, mailbox, payload, "", "")[1] == "full" and "full" or "fired"
end
