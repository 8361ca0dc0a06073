/**
 * RedisError: the failures of a Redis call, typed by what the caller may do.
 * Only RedisClient creates them; callers map them to their own errors or pass them on.
 * A refusal is transient unless it is known to be final (`isFinal`): what is refused may have cost money, and an unlisted
 * refusal must not throw it away.
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

/**
 * Redis, or a proxy before it, answered with another error; `code` is its first word (`NOREPLICAS`, `WRONGTYPE`, …). Nothing
 * happened. `isTransient` tells whether the same call may succeed later.
 */
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

/**
 * The codes of replies that repeat however often the call is sent, because the call or the data is wrong. Redis is well then.
 *   WRONGTYPE   the key holds another type
 *   CROSSSLOT   the call's keys are in different slots
 *   NOGROUP     the consumer group is not there; whoever reads it creates it again (Reader)
 *   BUSYGROUP   the consumer group is there already
 *   BUSYKEY     the key is there already
 *   UNBLOCKED   a blocking read ended early: its stream is gone, or its server became a replica; the next read tells
 */
const finalCodes = new Set(["WRONGTYPE", "CROSSSLOT", "NOGROUP", "BUSYGROUP", "BUSYKEY", "UNBLOCKED"])
/**
 * Replies with the code ERR that are final: a bug of a script (it does not compile, or an error was raised in it), or of a
 * caller (a command that this server does not have, arguments that it does not take). Other ERR replies are transient: proxies
 * use it for an outage, Redis for its limit of clients.
 */
const finalTexts: ReadonlyArray<RegExp> = [
  /script: [0-9a-f]{40}, on @\w+:\d+/,
  /^ERR Error (compiling|running) script/,
  /unknown (sub)?command/i,
  /wrong number of arg/i,
  /syntax error/i,
  /not an integer|not a valid float|Invalid stream ID|no such key|requires the key to exist/
]
/** Redis 7.0 has no code for a permission that a script lacks. */
const forbiddenInScript = /can't run this command or subcommand|ACL failure in script/

/**
 * The code of an error reply, its first word. A script that passes a reply on puts it behind its own words, or after a "-".
 * Every code is a word of capitals; a reply without one has the code ERR.
 */
export const codeOf = (reply: string): string => {
  if (forbiddenInScript.test(reply)) return "NOPERM"
  const inner = /@user_script: ?\d+: -?([A-Z]{2,}) /.exec(reply)?.[1]
  return inner ?? /^-?([A-Z]{2,})(?= |$)/.exec(reply)?.[1] ?? "ERR"
}

/** Whether the call gets this error reply however often it is sent. */
export const isFinal = (reply: string): boolean => {
  const code = codeOf(reply)
  return finalCodes.has(code) || (code === "ERR" && finalTexts.some((text) => text.test(reply)))
}

export const isRedisError = (error: { readonly _tag: string }): error is RedisError =>
  error instanceof RedisUnavailable ||
  error instanceof RedisFull ||
  error instanceof RedisRefused ||
  error instanceof RedisReplyInvalid

/** Errors after which the same call may succeed unchanged. */
export const isTransient = (error: RedisError): boolean =>
  error._tag === "RedisUnavailable" ||
  error._tag === "RedisFull" ||
  (error._tag === "RedisRefused" && !isFinal(error.reply))

/** Refusals of who we are: they last until somebody changes a password or a permission. */
const logins = new Set(["NOPERM", "NOAUTH", "WRONGPASS", "DENIED"])
export const isLogin = (error: RedisError): boolean => error._tag === "RedisRefused" && logins.has(error.code)

const reasons: Readonly<Record<string, string>> = {
  NOREPLICAS: "has too few replicas to take writes",
  MISCONF: "cannot save to its disk and takes no writes",
  READONLY: "is a replica and takes no writes",
  MASTERDOWN: "is a replica that has lost its master",
  LOADING: "is loading its data",
  BUSY: "is busy with a script",
  CLUSTERDOWN: "is down in parts",
  TRYAGAIN: "is moving data between its servers",
  NOPERM: "does not permit it",
  NOAUTH: "does not let this service in",
  WRONGPASS: "does not let this service in",
  DENIED: "does not let this service in"
}

/** Why the call failed, as one clause for a client of the service: constant words, and nothing of Redis's own but a code. */
export const reasonFor = (error: RedisError): string => {
  switch (error._tag) {
    case "RedisFull":
      return "the store is full"
    case "RedisRefused":
      return isFinal(error.reply)
        ? "the store cannot do this"
        : `the store ${reasons[error.code] ?? "refuses commands now"} (${error.code})`
    case "RedisReplyInvalid":
      return "the store's answer is unreadable"
    case "RedisUnavailable":
      return "the store does not answer"
  }
}
