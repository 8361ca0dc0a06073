-- packages/core/src/mailbox/scripts/message.lua
-- Prelude of the scripts that put a message without a job back into its mailbox; stands below pipeline/scripts/job.lua, whose
-- names it uses, in settle and promote.
-- KEYS[1]  root    eco2:{p}, as in job.lua
-- reply    none (a function only)
-- cost     O(1)
local function put_back(message)
  local asked = message.ask and { "ask", message.ask } or {}
  redis.call("XADD", mailbox_key(message.mailbox), "*", "type", message.type, "body", message.body,
    "attempts", message.attempts, "ts", now_text, unpack(asked))
end
