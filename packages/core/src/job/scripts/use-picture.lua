-- packages/core/src/job/scripts/use-picture.lua
-- A scan uses an uploaded picture: it stays for the life of the scan, and from now on makes room for new ones. One script, so that
-- the share's sum and its parts agree.
-- KEYS[1]  root    eco2:{p}
-- ARGV[1]  int     clock offset, milliseconds
-- ARGV[2]  text    owner
-- ARGV[3]  text    the picture's id
-- ARGV[4]  int     how long it stays from now, milliseconds
-- reply    1: it is there · 0: it is not
-- cost     O(1)
local owner, id, life = ARGV[2], ARGV[3], tonumber(ARGV[4])
if redis.call("PEXPIRE", picture_key(id), int(life)) == 0 then return 0 end
local images = images_key(owner)
local bytes = redis.call("HGET", images, "new:" .. id)
if bytes then
  redis.call("HDEL", images, "new:" .. id)
  redis.call("HSET", images, "used:" .. id, bytes)
end
return 1
