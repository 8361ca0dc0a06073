-- packages/news/src/store/scripts/warm.lua
-- Replaces all lists and the newest articles. One script, so that a reader sees the lists all old or all new, and none without
-- its articles.
-- KEYS[1]  prefix  {news}; all keys are built from it: :state (hash), :list:<list> (zset), :article:<id> (string), :warming
-- ARGV[1]  int     added to the server's clock, milliseconds
-- ARGV[2]  int     as_of, Postgres's clock in unix milliseconds: if it is older than the stored one, nothing changes
-- ARGV[3]  int     how long the lists are current, milliseconds
-- ARGV[4]  int     how long they and the articles are kept, milliseconds
-- ARGV[5]  int     articles, then for each: id, JSON
-- ARGV[..] int     lists, then for each: name, "1" where it is complete, members, then for each: published ms, id with flags
-- reply    {"warmed" | "older"}
-- cost     O(articles + members); all keys share the hash tag {news}
local root = KEYS[1]
local state = root .. ":state"
local held = redis.call("HGET", state, "as_of")
if held and tonumber(held) > tonumber(ARGV[2]) then return { "older" } end

local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[1])
local kept = ARGV[4]
-- a full Redis refuses a script whose first write could grow memory, and the cache must not be forced in
redis.call("HSET", state, "as_of", ARGV[2])
local i = 5
for _ = 1, tonumber(ARGV[i]) do
  redis.call("SET", root .. ":article:" .. ARGV[i + 1], ARGV[i + 2], "PX", kept)
  i = i + 2
end
i = i + 1
local fields = { "until", string.format("%.0f", now + tonumber(ARGV[3])) }
for _ = 1, tonumber(ARGV[i]) do
  local name, complete, members = ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local list = root .. ":list:" .. name
  i = i + 3
  redis.call("DEL", list)
  for _ = 1, members do
    redis.call("ZADD", list, ARGV[i + 1], ARGV[i + 2])
    i = i + 2
  end
  if members > 0 then redis.call("PEXPIRE", list, kept) end
  table.insert(fields, name)
  table.insert(fields, members .. " " .. complete)
end
redis.call("HSET", state, unpack(fields))
redis.call("PEXPIRE", state, kept)
redis.call("DEL", root .. ":warming")
return { "warmed" }
