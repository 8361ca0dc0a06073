-- packages/core/src/job/scripts/keep-picture.lua
-- Keeps a picture that a user uploads before its scan, within the user's share. One script, so that two uploads do not both take
-- the share's last place. A second run finds what the first has kept, and changes nothing.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  text    owner
-- ARGV[3]  text    the picture's id; it begins with its time
-- ARGV[4]  uuid    upload to take over as the picture; "": its bytes are stored elsewhere, and the key marks that it exists
-- ARGV[5]  int     its bytes
-- ARGV[6]  int     USER_IMAGE_STORAGE
-- ARGV[7]  int     how long it stays, milliseconds
-- ARGV[8]  int     how long the count stays at least, milliseconds
-- reply    {"kept", 0} | {"images-full", bytes stored} | {"upload-gone", 0}
-- cost     as images.lua; six writes
local owner, id, upload, bytes = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local most, life, count_life = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local key, upload_key = picture_key(id), root .. ":upload:" .. upload
if upload ~= "" and redis.call("EXISTS", upload_key) == 0 then
  if redis.call("EXISTS", key) == 1 then return { "kept", 0 } end
  return { "upload-gone", 0 }
end
-- what it replaces makes room for it
local replaced = tonumber(redis.call("HGET", images_key(owner), "new:" .. id) or 0)
local more = counted_image(bytes)
local stored = stored_images(owner, more - replaced, most)
if stored + more - replaced > most then
  if upload ~= "" then redis.call("DEL", upload_key) end -- a refusal leaves nothing
  return { "images-full", stored }
end
if upload ~= "" then
  redis.call("RENAME", upload_key, key)
  redis.call("PEXPIRE", key, int(life))
else
  redis.call("SET", key, "-", "PX", int(life))
end
count_image(owner, "new:" .. id, more, count_life)
return { "kept", 0 }
