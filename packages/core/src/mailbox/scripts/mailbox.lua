-- packages/core/src/mailbox/scripts/mailbox.lua
-- Prelude of every script that moves entries of a partition's mailboxes: names, and functions that add and remove entries.
-- Stands below redis/scripts/clock.lua, whose names it uses.
-- KEYS[1]  root    eco2:{p}; every key is built from it, so all share one slot
-- ARGV[1]  int     clock offset, as in clock.lua
-- reply    none (functions only)
-- cost     O(1) each
local root = KEYS[1]
local group = "workers"
local function mailbox_key(name) return root .. ":mailbox:" .. name end

-- A full Redis refuses only a script's first write, and never XACK (here it acknowledges nothing). Transitions begin with it, so
-- that a full Redis still lets jobs finish; only submit and append may be refused.
local function pass_when_full()
  redis.call("XACK", root .. ":mailbox:", group, "0-0")
end

-- Acknowledge and delete together: XACK alone frees no memory, and the mailbox's length is its depth.
local function take_off(name, entry)
  redis.call("XACK", mailbox_key(name), group, entry)
  return redis.call("XDEL", mailbox_key(name), entry) == 1
end

-- Returns a message without a job to its mailbox.
local function put_back(message)
  local more = {}
  for _, name in ipairs({ "ask", "deliveries" }) do
    if message[name] then
      more[#more + 1] = name
      more[#more + 1] = message[name]
    end
  end
  redis.call("XADD", mailbox_key(message.mailbox), "*", "type", message.type, "body", message.body,
    "attempts", message.attempts, "ts", now_text, unpack(more))
end
