-- packages/core/src/job/scripts/images.lua
-- Prelude of submit, keep-picture and use-picture: what a user's images take of Redis. Not a script of its own: it stands below
-- job.lua.
-- KEYS[1]  root    eco2:{p}; every key is built from it
-- reply    none (functions only)
-- cost     O(1); at USER_IMAGE_STORAGE O(the user's images, at most one for each 64 KiB of it)
-- The hash `{p}:images:<owner>` has the bytes of each image, and their sum under "". Its fields:
--   <job id>      the image of a job
--   new:<id>      an uploaded picture that no scan has used yet
--   used:<id>     one that a scan has used: it is kept to be shown, and makes room for new ones, the oldest first
-- Images go when they are no longer needed or expire, and nobody tells this hash; so it is compared with what is there once the
-- sum reaches the limit.
local function images_key(owner) return root .. ":images:" .. owner end
local function picture_key(id) return root .. ":picture:" .. id end
local function counted_image(bytes) return math.max(bytes, 65536) end -- bounds the number of images
local function image_key(field)
  local id = string.match(field, "^new:(.+)$") or string.match(field, "^used:(.+)$")
  return id and picture_key(id) or job_key(field) .. ":image"
end

-- The sum of what is stored once everything that may go has gone, if `more` bytes would not fit beside it otherwise.
local function stored_images(owner, more, most)
  local images = images_key(owner)
  local sum = tonumber(redis.call("HGET", images, "") or 0)
  if sum + more <= most then return sum end
  local gone, used, flat = {}, {}, redis.call("HGETALL", images)
  sum = 0
  local shown = 0
  for i = 1, #flat, 2 do
    local field, bytes = flat[i], tonumber(flat[i + 1])
    if field ~= "" then
      if redis.call("EXISTS", image_key(field)) == 0 then
        gone[#gone + 1] = field
      else
        sum = sum + bytes
        if string.sub(field, 1, 5) == "used:" then
          used[#used + 1] = { field, bytes }
          shown = shown + bytes
        end
      end
    end
  end
  table.sort(used, function(a, b) return a[1] < b[1] end) -- ids begin with their time
  for _, picture in ipairs(used) do
    if sum + more <= most or sum - shown + more > most then break end
    redis.call("DEL", image_key(picture[1]))
    gone[#gone + 1] = picture[1]
    sum, shown = sum - picture[2], shown - picture[2]
  end
  if #gone > 0 then
    for i = 1, #gone, 1000 do redis.call("HDEL", images, unpack(gone, i, math.min(i + 999, #gone))) end
    redis.call("HSET", images, "", int(sum))
  end
  return sum
end
local function count_image(owner, field, more, life)
  local images = images_key(owner)
  local before = tonumber(redis.call("HGET", images, field) or 0)
  redis.call("HSET", images, field, int(more))
  redis.call("HINCRBY", images, "", int(more - before))
  redis.call("PEXPIRE", images, int(life))
end
