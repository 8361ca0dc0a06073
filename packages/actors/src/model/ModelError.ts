/**
 * ModelError: the errors of a model call, the same for every provider. Each says what happened at the provider, for decisions
 * about retries and cost:
 *   nothing happened   the provider did no work and bills none
 *   happened           the provider did the work and bills it
 *   unknown            it may have done the work
 * Messages are ours, never the provider's: they contain neither the key nor the image. `excerpt` quotes at most 200 characters
 * of the provider's text (Excerpt). The stage's policy (ModelRetry) decides about retrying, parking and giving up.
 */
import { Schema } from "effect"

const call = {
  /** `openai`, `gemini`, `simulated`, or `none` for a model that is not offered. */
  provider: Schema.String,
  model: Schema.String,
  /** One readable sentence. */
  message: Schema.String
}

const Excerpt = Schema.String.check(Schema.isMaxLength(200))

/**
 * The provider asks for fewer calls (429), or our own limit has no room. Nothing happened. Retrying after `retryAfterMillis`
 * is safe and spends no attempt; null: the provider named no time.
 */
export class ModelRateLimited extends Schema.TaggedError<ModelRateLimited>()("ModelRateLimited", {
  ...call,
  retryAfterMillis: Schema.NullOr(Schema.Finite)
}) {}

/** No answer within MODEL_TIMEOUT; the request was aborted. Unknown: the provider may bill it. Retryable. */
export class ModelTimeout extends Schema.TaggedError<ModelTimeout>()("ModelTimeout", call) {}

/**
 * The provider refused or dropped the connection, or answered 5xx. Unknown: a refused connection did nothing, a dropped one may
 * have been billed. Retryable.
 */
export class ModelUnavailable extends Schema.TaggedError<ModelUnavailable>()("ModelUnavailable", call) {}

/**
 * No connection could be made, for a reason on our side: our name servers, our network, our limits. Nothing happened, and this
 * says nothing about the model. Retrying after `retryAfterMillis` is safe and spends no attempt.
 */
export class ModelUnreachable extends Schema.TaggedError<ModelUnreachable>()("ModelUnreachable", {
  ...call,
  retryAfterMillis: Schema.Finite
}) {}

/** The answer is not what was asked for (not JSON, fields missing, cut off). Happened. Retryable, because answers vary. */
export class ModelOutputInvalid extends Schema.TaggedError<ModelOutputInvalid>()("ModelOutputInvalid", {
  ...call,
  excerpt: Excerpt
}) {}

/**
 * The provider does not answer this request: a refusal, a content filter, or a bad request (400). Nothing happened if the
 * request was rejected; happened if the model refused. Permanent: a retry fails too.
 */
export class ModelRefused extends Schema.TaggedError<ModelRefused>()("ModelRefused", { ...call, excerpt: Excerpt }) {}

/**
 * The key may not use the model: wrong or revoked (401, 403), no access to the model (404), no credit left. Nothing happened.
 * Fails every job until an operator fixes it.
 */
export class ModelUnauthorized extends Schema.TaggedError<ModelUnauthorized>()("ModelUnauthorized", call) {}

/** The provider cannot read this image, or cannot fetch it from its address. Nothing happened. Permanent for this image. */
export class ImageUnusable extends Schema.TaggedError<ImageUnusable>()("ImageUnusable", call) {}

/**
 * The picture could not be fetched from its address: its server is slow, broken or rate-limits us. Nothing happened at the
 * provider, so this says nothing about the model. Retryable a few times.
 */
export class PictureUnavailable extends Schema.TaggedError<PictureUnavailable>()("PictureUnavailable", call) {}

/**
 * The picture was not fetched: this process already fetches its maximum in all, for this owner, or from this host. Nothing
 * happened. Retrying after `retryAfterMillis` is safe and spends no attempt.
 */
export class PicturesBusy extends Schema.TaggedError<PicturesBusy>()("PicturesBusy", {
  ...call,
  retryAfterMillis: Schema.Finite
}) {}

/**
 * The call was not made: the model's breaker is open, or no permit could be had. Nothing happened. Retrying after
 * `retryAfterMillis` is safe and spends no attempt.
 */
export class ModelSuspended extends Schema.TaggedError<ModelSuspended>()("ModelSuspended", {
  ...call,
  retryAfterMillis: Schema.Finite
}) {}

/** Any of them, told apart by `_tag`. */
export const ModelError = Schema.Union([
  ModelRateLimited,
  ModelTimeout,
  ModelUnavailable,
  ModelUnreachable,
  ModelOutputInvalid,
  ModelRefused,
  ModelUnauthorized,
  ModelSuspended,
  ImageUnusable,
  PictureUnavailable,
  PicturesBusy
])
export type ModelError = typeof ModelError.Type
