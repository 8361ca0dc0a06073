-- packages/core/src/redis/scripts/permissions.lua
-- Tries commands, and tells which of them this user may not run. Redis checks permissions before it looks at keys and types, so
-- each is tried on a key of a type that it refuses, or with words that change nothing. One script, so that the key is never seen.
-- KEYS[1]  hash    absent; there while the script runs
-- ARGV[n]  text    a command's words, with a space between; K: the key, K:other: another absent one
-- reply    {number of a command that is not permitted, …}
-- cost     O(commands)
local key = KEYS[1]
redis.pcall("HSET", key, "a", "1")
local missing = {}
for i, line in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(line, "%S+") do
    words[#words + 1] = word == "K" and key or word == "K:other" and key .. ":other" or word
  end
  local reply = redis.pcall(unpack(words))
  local said = type(reply) == "table" and reply.err or ""
  for _, refusal in ipairs({ "NOPERM", "no permissions", "user executing the script", "nknown Redis command", "nknown command" }) do
    if string.find(said, refusal, 1, true) then
      missing[#missing + 1] = i
      break
    end
  end
end
redis.pcall("DEL", key)
return missing
