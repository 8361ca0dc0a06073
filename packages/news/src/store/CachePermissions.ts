/**
 * CachePermissions: what the role news-api sends to Redis, and so what its Redis user needs: the scripts of ArticleCache.
 * docs/operations/redis.md has it as an ACL.
 */
import { Permissions } from "@eco2/core/redis"

/** To be provided to the role's RedisClient. */
export const layer = Permissions.only([
  "get",
  "hget",
  "hmget",
  "mget",
  "pexpire",
  "set",
  "time",
  "zadd",
  "zcard",
  "zrange"
])
