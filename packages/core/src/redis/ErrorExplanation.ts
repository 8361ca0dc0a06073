/**
 * ErrorExplanation: says why a command failed in Redis's words, where the driver has only its own, from what RedisHealth has
 * heard. A part of RedisClient; every error of a command passes here.
 */
import * as OutageLog from "../telemetry/OutageLog.ts"
import { isSentAround } from "./Command.ts"
import * as ErrorReply from "./ErrorReply.ts"
import { codeOf, RedisRefused, RedisUnavailable } from "./RedisError.ts"
import type { RedisError } from "./RedisError.ts"
import * as RedisHealth from "./RedisHealth.ts"
import type { RedisUrl } from "./RedisUrl.ts"

/**
 * The error with Redis's own words where the driver has only its own, such as that it gave up. What RedisHealth has logged
 * is not logged again by whoever meets the error.
 */
export const make = (url: RedisUrl, health: RedisHealth.RedisHealth): ((error: RedisError) => RedisError) => {
  /** The driver gave up; or this is a server of a Cluster, and the URL does not say so. A Cluster's readers follow by themselves. */
  const isFollowedInVain = (code: string) =>
    code === "TRYAGAIN" || (RedisHealth.isFollowed(code) && url._tag !== "Cluster")
  return (error) => {
    const loss = health.lossOf()
    const silent = isSentAround(error) ? health.silenceOf() : null
    const told =
      silent !== null
        ? new RedisUnavailable({ command: error.command, cause: new Error(silent) })
        : loss === null || error._tag !== "RedisUnavailable" || !ErrorReply.isDriversOwn(error.cause)
          ? error
          : loss.isRefusal
            ? new RedisRefused({ command: error.command, code: codeOf(loss.why), reply: loss.why })
            : new RedisUnavailable({ command: error.command, cause: new Error(loss.why) })
    if (told._tag === "RedisRefused" && isFollowedInVain(told.code)) health.refused(told.code, told.reply)
    if (health.isTroubled()) OutageLog.alreadyLogged(told)
    return told
  }
}
