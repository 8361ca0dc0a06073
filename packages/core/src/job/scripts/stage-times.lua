-- packages/core/src/job/scripts/stage-times.lua
-- Reads when a job's stages were committed and how long each worked, without what they found: outputs may be large. Changes nothing.
-- KEYS[1]  hash    {p}:job:<id>
-- reply    {fence, about, stage, "<milliseconds of work>@<when it was committed>", …} | {} when there is no such job
-- cost     O(size of the job), of which its stages' names and times leave
local flat = redis.call("HGETALL", KEYS[1])
local now, about, times = "", "", {}
for i = 1, #flat, 2 do
  local name, value = flat[i], flat[i + 1]
  if name == "now" then
    now = value
  elseif name == "about" then
    about = value
  elseif string.sub(name, 1, 2) == "o:" then
    times[#times + 1] = string.sub(name, 3)
    times[#times + 1] = string.match(value, "^%-?%d+@%d+") or ""
  end
end
if #flat == 0 then return {} end
return { now, about, unpack(times) }
