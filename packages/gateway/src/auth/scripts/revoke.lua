-- packages/gateway/src/auth/scripts/revoke.lua
-- Notes that a token is revoked. A script, because a full Redis would refuse a SET by itself: DEL is never refused, and what
-- follows it in a script passes. Twice is as once.
-- KEYS[1]  string  blacklist:<jti>
-- ARGV[1]  text    `<seconds since 1970 at which it may be forgotten> <what was said of it, JSON>`
-- ARGV[2]  int     the same time in milliseconds
-- reply    "OK"
-- cost     O(1)
redis.call("DEL", KEYS[1])
return redis.call("SET", KEYS[1], ARGV[1], "PXAT", ARGV[2]).ok
