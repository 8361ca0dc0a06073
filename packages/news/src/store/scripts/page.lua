-- packages/news/src/store/scripts/page.lua
-- Reads one page of a list. One script, so that the list and its articles are from the same write (warm.lua).
-- KEYS[1]  prefix  {news}; keys are built from it: :state (hash), :list:<list> (zset), :article:<id> (string)
-- ARGV[1]  int     added to the server's clock, milliseconds
-- ARGV[2]  text    the list
-- ARGV[3]  int     articles of a page
-- ARGV[4]  text    only this source; "" any
-- ARGV[5]  text    "1": only with a picture
-- ARGV[6]  text    "1": also from an expired list
-- ARGV[7]  int     published ms of the article before the page; "" to start at the newest
-- ARGV[8]  text    its id
-- reply    {"hit", articles of the list, ms until it expires, "1" if more follow, cursor of the last, JSON of each …}
--          {"short", articles of the list, ms until it expires}: the page reaches beyond the cached part of the list
--          {"miss", as_of}: no current list, or something is missing; "" if there is nothing at all
-- cost     O(log list + looked at), at most the list's length; all keys share the hash tag {news}; writes nothing
local root, wanted_source, wanted_image = KEYS[1], ARGV[4], ARGV[5] == "1"
local limit = tonumber(ARGV[3])
local state = redis.call("HMGET", root .. ":state", "until", ARGV[2], "as_of")
local miss = { "miss", state[3] or "" }
if not state[1] or not state[2] then return miss end
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[1])
local left = tonumber(state[1]) - now
if left <= 0 then
  if ARGV[6] ~= "1" then return miss end
  left = 0
end
local total, complete = string.match(state[2], "^(%d+) (%d)$")
local list = root .. ":list:" .. ARGV[2]
if redis.call("ZCARD", list) ~= tonumber(total) then return miss end

-- by bytes: Lua's own < follows the server's locale
local function before(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end

local from = ARGV[7] == "" and "+inf" or ARGV[7]
local step = limit + 1
local keys, offset, more, last = {}, 0, false, ""
while not more do
  local found = redis.call("ZRANGE", list, from, "-inf", "BYSCORE", "REV", "LIMIT", offset, step, "WITHSCORES")
  for i = 1, #found, 2 do
    local id, source, image = string.match(found[i], "^(%S+) (%S+) (%d)$")
    local passed = found[i + 1] ~= ARGV[7] or before(id, ARGV[8])
    if passed and (wanted_source == "" or source == wanted_source) and (not wanted_image or image == "1") then
      if #keys == limit then
        more = true
        break
      end
      keys[#keys + 1] = root .. ":article:" .. id
      last = found[i + 1] .. "_" .. id
    end
  end
  if #found < 2 * step then break end
  offset = offset + step
  step = 50
end
local left_text = string.format("%.0f", left)
if not more and complete ~= "1" then return { "short", total, left_text } end

local reply = { "hit", total, left_text, more and "1" or "0", last }
if #keys == 0 then return reply end
for _, text in ipairs(redis.call("MGET", unpack(keys))) do
  if not text then return miss end
  reply[#reply + 1] = text
end
return reply
