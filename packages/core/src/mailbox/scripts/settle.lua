-- packages/core/src/mailbox/scripts/settle.lua
-- Ends one delivery of a message without a job: handled, delayed, or given up. One script, so that the message is always in
-- exactly one place (A1). A success counts from any holder (XDEL = 1); delay and giving up only from the current holder, by
-- the pending list.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  text    mailbox
-- ARGV[3]  text    entry id
-- ARGV[4]  text    consumer that took it
-- ARGV[5]  text    "handled" | "later" | "dead"
-- ARGV[6]  int     later: delay, milliseconds; 0 = back into the mailbox at once
-- ARGV[7]  text    later: uuid of the delayed message; dead: cause
-- ARGV[8]  text    later: {mailbox, type, body, attempts, ask (of an ask), deliveries (of a suspect)} as json; dead: message
-- ARGV[9]  int     attempts so far
-- ARGV[10] int     LETTER_TTL, milliseconds
-- reply    "settled" | "lost"
-- cost     O(log delayed messages)
pass_when_full()
local mailbox, entry, consumer, outcome = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if outcome ~= "handled" then
  local pending = redis.call("XPENDING", mailbox_key(mailbox), group, entry, entry, 1)
  if #pending == 0 or pending[1][2] ~= consumer then return "lost" end
end
local body = outcome == "dead" and redis.call("XRANGE", mailbox_key(mailbox), entry, entry)[1]
redis.call("XACK", mailbox_key(mailbox), group, entry)
if redis.call("XDEL", mailbox_key(mailbox), entry) == 0 then return "lost" end
if outcome == "later" and tonumber(ARGV[6]) <= 0 then
  put_back(cjson.decode(ARGV[8]))
elseif outcome == "later" then
  redis.call("HSET", root .. ":later", "m:" .. ARGV[7], ARGV[8])
  redis.call("ZADD", root .. ":timers", now + tonumber(ARGV[6]), "m:" .. ARGV[7])
elseif outcome == "dead" then
  local fields, sent = {}, body and body[2] or {}
  for i = 1, #sent, 2 do -- the entry's own count of attempts is older
    if sent[i] ~= "attempts" then
      fields[#fields + 1] = sent[i]
      fields[#fields + 1] = sent[i + 1]
    end
  end
  redis.call("XADD", root .. ":dead:" .. mailbox, "MINID", "~", real_now - tonumber(ARGV[10]), "*",
    "cause", ARGV[7], "message", ARGV[8], "attempts", ARGV[9], "first", now, "last", now, unpack(fields))
end
return "settled"
