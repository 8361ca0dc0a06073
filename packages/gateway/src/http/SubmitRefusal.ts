/**
 * SubmitRefusal: the API's refusal for each error of a submit. Nothing was stored, except perhaps if Redis, or its
 * replicas, did not answer.
 * STORAGE_REFUSED: Redis answered and refused (too few replicas, a disk that is full, a password that changed); the detail has
 * the code of its refusal.
 */
import { Refusal } from "@eco2/core/http"
import { RedisError } from "@eco2/core/client"
import type { JobStore, Limit, Mailbox } from "@eco2/core/client"

export const fromRedis = (error: RedisError.RedisError) => {
  const detail = `${RedisError.reasonFor(error)}; try again later`
  switch (error._tag) {
    case "RedisFull":
      return Refusal.make(503, "STORAGE_FULL", detail, "10 seconds")
    case "RedisRefused":
      return Refusal.make(503, "STORAGE_REFUSED", detail, "5 seconds")
    default:
      return Refusal.unavailable(detail)
  }
}

export const imagesFull = Refusal.make(
  429,
  "TOO_MANY_PHOTOS",
  "too many of your photos are stored; try again when some are classified",
  "10 seconds"
)

type SubmitError =
  | JobStore.InputTooLarge
  | JobStore.IdempotencyConflict
  | JobStore.LaneFull
  | JobStore.ImagesFull
  | JobStore.UploadGone
  | JobStore.NotReplicated
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
    case "ImagesFull":
      return imagesFull
    case "RateLimited":
      return Refusal.make(
        429,
        "RATE_LIMITED",
        "you submitted too many scans in a short time; try again later",
        error.retryAfter
      )
    case "UploadGone":
      return Refusal.unavailable("the image was not stored; try again")
    case "NotReplicated":
      return Refusal.make(
        503,
        "NOT_REPLICATED",
        "the scan is stored, but not yet safe against the loss of a server; submit it again with the same X-Idempotency-Key",
        "2 seconds"
      )
    default:
      return fromRedis(error)
  }
}
