/**
 * ModelRetry: what a failed model call leads to. Refusals and unusable pictures cannot heal; a rate limit, and a model that is
 * suspended, wait as long as they ask and spend no attempt, and so does a picture that waits for its turn to be fetched; one
 * whose host does not give it is asked for three times more within a minute, then the scan fails. All else is tried again with
 * growing, jittered waits. The SDKs never retry: this is the one owner of retries.
 */
import { Retry } from "@eco2/core"
import type { RedisError } from "@eco2/core"
import { Duration, Schedule, Schema } from "effect"
import type { ModelError } from "../model/ModelError.ts"

/** The submitted photo is no longer there. Cannot heal. */
export class ImageGone extends Schema.TaggedError<ImageGone>()("ImageGone", {}) {
  override get message() {
    return "the submitted image is no longer stored"
  }
}

/** A provider that names no time is asked again after this. */
const unnamedWait = Duration.seconds(2)

export const modelRetry = Retry.policy<ModelError | ImageGone | RedisError.RedisError>({
  never: ["ModelRefused", "ImageUnusable", "ImageGone"],
  // a wrong key fails every job alike: they wait for an operator instead of burning their attempts
  byTag: {
    ModelUnauthorized: Retry.notNow,
    PictureUnavailable: Schedule.exponential("2 seconds", 4).pipe(Schedule.jittered, Schedule.upTo({ times: 3 }))
  },
  // a stranger's host is no outage of ours to wait out
  ends: ["PictureUnavailable"],
  retryAfter: (error) =>
    error._tag === "ModelRateLimited"
      ? error.retryAfterMillis === null
        ? unnamedWait
        : Duration.millis(Math.max(100, error.retryAfterMillis))
      : error._tag === "ModelSuspended" || error._tag === "PicturesBusy"
        ? Duration.millis(error.retryAfterMillis)
        : null,
  otherwise: Schedule.exponential("1 second").pipe(Schedule.jittered, Schedule.upTo({ times: 4 }))
})
