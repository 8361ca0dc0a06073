/**
 * ModelRetry: the retry policy of failed model calls, after the table of FailureKinds. What concerns the photo or the question is
 * permanent, and so is an output that was no better when the model was asked once more: each try is paid. What needs an operator
 * parks at once. A rate limit, a suspended model, a provider that cannot be reached from here and a picture that waits to be
 * fetched wait as long as the error says and spend no attempt, and so does a call that was not made because Redis did not answer
 * or refused. A picture whose host does not deliver it is retried three times within a minute, then the scan fails. All other
 * errors are retried with backoff and jitter. The SDKs never retry; only this policy does.
 */
import { RedisError, Retry } from "@eco2/core"
import { Duration, Schedule, Schema } from "effect"
import { tagsOf } from "../model/FailureKinds.ts"
import type { ModelError } from "../model/ModelError.ts"

/** The submitted image is no longer stored. Permanent. */
export class ImageGone extends Schema.TaggedError<ImageGone>()("ImageGone", {}) {
  override get message() {
    return "the submitted image is no longer stored"
  }
}

/**
 * What a provider said of a failed call, in its own words, and its name for the call: for operators. An output that could not be
 * used is not quoted: it may be an answer to the user, and the log has none; the ledger's row has its beginning.
 */
export const saidBy = (error: ModelError | ImageGone | RedisError.RedisError): string | undefined => {
  const said = "excerpt" in error && error._tag !== "ModelOutputInvalid" ? error.excerpt : undefined
  const excerpt = said === undefined || said === "" ? null : said
  const request = "requestId" in error && error.requestId !== undefined ? error.requestId : null
  if (excerpt === null && request === null) return undefined
  return [
    ...(excerpt === null ? [] : [`it said: ${excerpt}`]),
    ...(request === null ? [] : [`request ${request}`])
  ].join(", ")
}

/** Wait after an error that names no time. */
const unnamedWait = Duration.seconds(2)

export const modelRetry = Retry.policy<ModelError | ImageGone | RedisError.RedisError>({
  never: [...tagsOf("never"), ...tagsOf("repair"), "ImageGone"],
  // these fail every job alike, so jobs wait for an operator and spend no attempts
  byTag: {
    ...Object.fromEntries(tagsOf("park").map((tag) => [tag, Retry.notNow])),
    PictureUnavailable: Schedule.exponential("2 seconds", 4).pipe(Schedule.jittered, Schedule.upTo({ times: 3 }))
  },
  // the outage of a user's host is not ours to wait for
  ends: ["PictureUnavailable"],
  retryAfter: (error) =>
    error._tag === "ModelRateLimited"
      ? error.retryAfterMillis === null
        ? unnamedWait
        : Duration.millis(Math.max(100, error.retryAfterMillis))
      : error._tag === "ModelSuspended" ||
          error._tag === "ModelNotServed" ||
          error._tag === "ModelUnreachable" ||
          error._tag === "PicturesBusy"
        ? Duration.millis(error.retryAfterMillis)
        : RedisError.isRedisError(error) && RedisError.isTransient(error)
          ? unnamedWait
          : null,
  otherwise: Schedule.exponential("1 second").pipe(Schedule.jittered, Schedule.upTo({ times: 4 }))
})
