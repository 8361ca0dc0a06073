/** SubmitRefusal: the API's refusal for each error of a submit. Nothing was stored, except perhaps if Redis did not answer. */
import { Refusal } from "@eco2/core/http"
import type { JobStore, Limit, Mailbox, RedisError } from "@eco2/core/client"

export const fromRedis = (error: RedisError.RedisError) =>
  error._tag === "RedisFull"
    ? Refusal.make(503, "STORAGE_FULL", "the store is full; try again later", "10 seconds")
    : Refusal.unavailable("the store does not answer; try again")

type SubmitError =
  | JobStore.InputTooLarge
  | JobStore.IdempotencyConflict
  | JobStore.LaneFull
  | JobStore.UploadGone
  | Mailbox.MailboxFull
  | Limit.RateLimited
  | RedisError.RedisError

export const of = (error: SubmitError) => {
  switch (error._tag) {
    case "InputTooLarge":
      return Refusal.make(413, "INPUT_TOO_LARGE", error.message)
    case "IdempotencyConflict":
      return Refusal.make(409, "IDEMPOTENCY_KEY_REUSED", "this X-Idempotency-Key was used before with another body")
    case "MailboxFull":
      return Refusal.make(503, "MAILBOX_FULL", "too many scans are waiting; try again later", "5 seconds")
    case "LaneFull":
      return Refusal.make(429, "LANE_FULL", "too many of your scans are waiting; try again later", "10 seconds")
    case "RateLimited":
      return Refusal.make(
        429,
        "RATE_LIMITED",
        "you submitted too many scans in a short time; try again later",
        error.retryAfter
      )
    case "UploadGone":
      return Refusal.unavailable("the image was not stored; try again")
    default:
      return fromRedis(error)
  }
}
