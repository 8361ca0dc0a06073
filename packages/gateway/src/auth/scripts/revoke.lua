-- packages/gateway/src/auth/scripts/revoke.lua
-- Stores that a token is revoked. A script that begins with DEL, because a full Redis refuses a SET but never a DEL, and after
-- a script's first write it refuses nothing. Idempotent.
-- KEYS[1]  string  blacklist:<jti>
-- ARGV[1]  text    `<epoch seconds from which it may be dropped> <the revocation, JSON>`
-- ARGV[2]  int     the same time in milliseconds
-- reply    "OK"
-- cost     O(1)
redis.call("DEL", KEYS[1])
return redis.call("SET", KEYS[1], ARGV[1], "PXAT", ARGV[2]).ok
