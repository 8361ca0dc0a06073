/**
 * RedisError: the failures of a Redis call, typed by what the caller may do.
 * Only RedisClient creates them; callers map them to their own errors or pass them on.
 */
import { Schema } from "effect"
import * as CauseText from "../telemetry/CauseText.ts"

/** No usable answer (connection lost, silent or refused). Unknown whether the command ran. All scripts may be sent again. */
export class RedisUnavailable extends Schema.TaggedError<RedisUnavailable>()("RedisUnavailable", {
  command: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `no answer from Redis to ${this.command}: ${CauseText.of(this.cause)}`
  }
}

/** Redis is at `maxmemory` and refused the write. Nothing happened. */
export class RedisFull extends Schema.TaggedError<RedisFull>()("RedisFull", { command: Schema.String }) {
  override get message() {
    return `Redis is full (maxmemory reached) and refused ${this.command}`
  }
}

/** Redis answered with an error of another kind; `code` is its first word (`NOGROUP`, `WRONGTYPE`, …). Nothing happened. */
export class RedisRefused extends Schema.TaggedError<RedisRefused>()("RedisRefused", {
  command: Schema.String,
  code: Schema.String,
  reply: Schema.String
}) {
  override get message() {
    return `Redis refused ${this.command}: ${this.reply}`
  }
}

/** A reply of an unknown shape: script and decoder disagree, or another version wrote the data. Unknown outcome. */
export class RedisReplyInvalid extends Schema.TaggedError<RedisReplyInvalid>()("RedisReplyInvalid", {
  command: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `unreadable reply to ${this.command}: ${this.reason}`
  }
}

export type RedisError = RedisUnavailable | RedisFull | RedisRefused | RedisReplyInvalid

/** Errors after which the same call may succeed unchanged. */
export const isTransient = (error: RedisError): boolean =>
  error._tag === "RedisUnavailable" || error._tag === "RedisFull"
