/**
 * AuthzPermissions: what the role authz sends to Redis, and so what its Redis user needs: it confirms whose data this is
 * (Keyspace), follows topics, loads the revoked tokens, and stores them again when Redis has lost them (Blacklist). It knows
 * nothing of jobs. docs/operations/redis.md has it as an ACL.
 */
import { Permissions } from "@eco2/core/redis"

/** To be provided to the role's RedisClient. */
export const layer = Permissions.only([
  "exists",
  "get",
  "hdel",
  "hget",
  "hgetall",
  "hmget",
  "hsetnx",
  "mget",
  "scan",
  "set",
  "xrange",
  "xread"
])
