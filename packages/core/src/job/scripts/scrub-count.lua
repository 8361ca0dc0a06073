-- packages/core/src/job/scripts/scrub-count.lua
-- Puts right the count of all jobs in the partition's lanes, the field "" of {p}:running, which every submit reads as a part of
-- the mailbox's depth: too high, and submits are refused though there is room; too low, and more are accepted than there is room
-- for, and a new job overtakes those in its user's lane. One script, so that no job enters or leaves a lane while they are counted.
-- A user with a lane has running jobs, so a field of {p}:running; lanes of users who have lost theirs are named by the caller.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2..] text    further owners of lanes, those of {p}:running may be among them
-- reply     {"right"} | {"many"}: more than 20,000 users, nothing was counted | {"recounted", the count before, the count now}
-- cost      O(users with running jobs)
if redis.call("HLEN", running_key) > 20000 then return { "many" } end
local owners = { [""] = true }
local counted = 0
local function add(owner)
  if owners[owner] then return end
  owners[owner] = true
  counted = counted + redis.call("LLEN", lane_key(owner))
end
local running = redis.call("HGETALL", running_key)
for i = 1, #running, 2 do add(running[i]) end
for i = 2, #ARGV do add(ARGV[i]) end
local before = redis.call("HGET", running_key, "")
if (tonumber(before or 0) or -1) == counted then return { "right" } end
pass_when_full()
redis.call("HSET", running_key, "", int(counted))
count("", 0) -- no field for none
return answer({ "recounted", before or "0", int(counted) })
