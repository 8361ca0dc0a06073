-- packages/core/src/job/scripts/erase.lua
-- Erases a user's latest jobs that are over, with all their keys and dead letters, and takes them off the user's list; and, when
-- none is open, the pictures that the user has uploaded. One script, so that no job is erased that an operator opens again
-- meanwhile. A repetition erases nothing more.
-- KEYS[1]  root    eco2:{p}, of the user's partition
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  text    the user
-- reply    {the time, milliseconds as text, jobs erased, [ids of the user's listed jobs that are open]}
-- cost     O(the user's listed jobs, about a hundred, and images, one for each 64 KiB of USER_IMAGE_STORAGE at most)
pass_when_full()
local owner = ARGV[2]
local list, open, erased = root .. ":jobs:" .. owner, {}, 0
for _, id in ipairs(redis.call("LRANGE", list, 0, -1)) do
  local f = read_fence(id)
  if f and f.owner == owner and not is_over(f.state) then
    open[#open + 1] = id
  else
    if f and f.owner == owner then
      if f.letter ~= "-" then remove_letter(f) end
      for _, part in ipairs({ "", ":events", ":image", ":calls", ":watched", ":partial" }) do
        redis.call("DEL", job_key(id) .. part)
      end
      erased = erased + 1
    end
    redis.call("LREM", list, 0, id)
  end
end
if #open == 0 then
  local flat = redis.call("HGETALL", images_key(owner))
  for i = 1, #flat, 2 do
    if flat[i] ~= "" then redis.call("DEL", image_key(flat[i])) end
  end
  redis.call("DEL", images_key(owner))
end
return { now_text, erased, open }
