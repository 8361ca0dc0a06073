/**
 * SubmitError: why a submit is not known to be accepted, beside RedisError, MailboxFull and RateLimited. Each says whether something
 * was stored, and when submitting again helps. JobSubmit raises them; Pipeline.submit checks the sizes (InputTooLarge).
 */
import { Schema } from "effect"

/** The same idempotency key came with another body. Nothing happened. */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>()("IdempotencyConflict", {
  jobId: Schema.String
}) {
  override get message() {
    return `job ${this.jobId} was submitted under this key with another body`
  }
}
/**
 * The user's lane is at LANE_CAPACITY, or has as many jobs as the mailbox has places left. Nothing was stored; submitting again
 * when some of the user's jobs have ended is safe.
 */
export class LaneFull extends Schema.TaggedError<LaneFull>()("LaneFull", { owner: Schema.String, depth: Schema.Int }) {
  override get message() {
    return `${this.depth} jobs of this user are waiting already; see LANE_CAPACITY and MAILBOX_CAPACITY (a lane holds at most as many jobs as the mailbox has places left)`
  }
}
/**
 * The user's images are at USER_IMAGE_STORAGE. Nothing was stored; submitting again when some of the user's jobs have
 * been worked on is safe.
 */
export class ImagesFull extends Schema.TaggedError<ImagesFull>()("ImagesFull", {
  owner: Schema.String,
  bytes: Schema.Int
}) {
  override get message() {
    return `${this.bytes} bytes of this user's images are stored; see USER_IMAGE_STORAGE`
  }
}
/** A part of the input is larger than allowed. Nothing happened; submitting it again would not help. */
export class InputTooLarge extends Schema.TaggedError<InputTooLarge>()("InputTooLarge", {
  part: Schema.Literals(["input", "image", "owner", "key"]),
  bytes: Schema.Int,
  most: Schema.Int
}) {
  override get message() {
    return `the ${this.part} has ${this.bytes} bytes, allowed are ${this.most}`
  }
}
/**
 * The job is stored, but fewer than SUBMIT_REPLICAS replicas confirmed it within a second: a failover may lose it, or it runs.
 * Submitting again under the same key is safe (J6).
 */
export class NotReplicated extends Schema.TaggedError<NotReplicated>()("NotReplicated", {
  wanted: Schema.Int,
  confirmed: Schema.Int
}) {
  override get message() {
    return `${this.confirmed} of the ${this.wanted} replicas of SUBMIT_REPLICAS confirmed the submit in time`
  }
}
/** The uploaded image expired before its job was submitted. Nothing happened; upload it again. */
export class UploadGone extends Schema.TaggedError<UploadGone>()("UploadGone", { upload: Schema.String }) {}
