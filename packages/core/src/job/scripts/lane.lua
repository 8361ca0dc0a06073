-- packages/core/src/job/scripts/lane.lua
-- Prelude of the scripts that look at lanes: which job is next in its lane.
-- Stands below job.lua.
-- KEYS[1]  root    eco2:{p}
-- ARGV     none
-- reply    none (functions only)
-- cost     O(place) for a job among the first sixteen, else O(1)

-- Whether a job at this place of its user's lane (0 is the first) is the next to be let in: admit passes over what waits no more.
local function is_next(owner, place)
  if place > 16 then return false end
  if place == 0 then return true end
  for _, id in ipairs(redis.call("LRANGE", lane_key(owner), 0, place - 1)) do
    if (read_fence(id) or {}).state == "lane" then return false end
  end
  return true
end
