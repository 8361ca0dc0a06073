/**
 * ModelError: every way a model call can fail, whichever provider served it.
 * Each error says what happened at the provider, so that its reader can decide about retries and about money:
 *   nothing happened   the provider did no work and bills none
 *   happened           the provider did the work and bills it
 *   unknown            it may have done the work
 * Messages are ours, never the provider's: they hold neither the key nor the picture. `excerpt` quotes what came back,
 * at most 200 characters, made by Excerpt. Who retries, parks or gives up is the stage's policy, not decided here.
 */
import { Schema } from "effect"

const call = {
  /** `openai`, `gemini`, `simulated`, or `none` for a model nobody offers. */
  provider: Schema.String,
  model: Schema.String,
  /** One readable sentence. */
  message: Schema.String
}

const Excerpt = Schema.String.check(Schema.isMaxLength(200))

/**
 * The provider asks for fewer calls (429), or our own limit has no room. Nothing happened. Calling again after `retryAfterMillis` is safe and spends
 * no attempt; null: the provider named no time.
 */
export class ModelRateLimited extends Schema.TaggedError<ModelRateLimited>()("ModelRateLimited", {
  ...call,
  retryAfterMillis: Schema.NullOr(Schema.Finite)
}) {}

/** No answer within MODEL_TIMEOUT; the request was aborted. Unknown: the provider may bill it. Retryable. */
export class ModelTimeout extends Schema.TaggedError<ModelTimeout>()("ModelTimeout", call) {}

/**
 * The provider could not be reached, dropped the connection, or answered 5xx. Unknown: a refused connection did
 * nothing, a dropped one may have been billed. Retryable.
 */
export class ModelUnavailable extends Schema.TaggedError<ModelUnavailable>()("ModelUnavailable", call) {}

/** An answer came and is not what was asked for (not JSON, fields missing, cut off). Happened. Retryable: models vary. */
export class ModelOutputInvalid extends Schema.TaggedError<ModelOutputInvalid>()("ModelOutputInvalid", {
  ...call,
  excerpt: Excerpt
}) {}

/**
 * The provider will not answer this request: a refusal, a content filter, or a request it calls wrong (400). Nothing
 * happened where the request was turned away, happened where the model refused. Cannot heal by calling again.
 */
export class ModelRefused extends Schema.TaggedError<ModelRefused>()("ModelRefused", { ...call, excerpt: Excerpt }) {}

/**
 * The key may not use the model: wrong or revoked (401, 403), no access to the model (404), no credit left. Nothing
 * happened. Heals only by an operator, and then for every job at once.
 */
export class ModelUnauthorized extends Schema.TaggedError<ModelUnauthorized>()("ModelUnauthorized", call) {}

/** The provider cannot read this picture, or not from where it is. Nothing happened. Cannot heal: another picture may do. */
export class ImageUnusable extends Schema.TaggedError<ImageUnusable>()("ImageUnusable", call) {}

/**
 * The picture could not be fetched from its address: its server is slow, broken or limits us. Nothing happened at the
 * provider, and it says nothing of the model. May heal, a little later; not for ever.
 */
export class PictureUnavailable extends Schema.TaggedError<PictureUnavailable>()("PictureUnavailable", call) {}

/**
 * The picture was not fetched: this process fetches as many as it may already, all told, for its owner or from its host.
 * Nothing happened. Trying again after `retryAfterMillis` is safe and spends no attempt.
 */
export class PicturesBusy extends Schema.TaggedError<PicturesBusy>()("PicturesBusy", {
  ...call,
  retryAfterMillis: Schema.Finite
}) {}

/**
 * The call was not made: the model does not work at present (its breaker is open), or there was no permit to be had.
 * Nothing happened. Calling again after `retryAfterMillis` is safe and spends no attempt.
 */
export class ModelSuspended extends Schema.TaggedError<ModelSuspended>()("ModelSuspended", {
  ...call,
  retryAfterMillis: Schema.Finite
}) {}

/** Any of them; `_tag` tells which. */
export const ModelError = Schema.Union([
  ModelRateLimited,
  ModelTimeout,
  ModelUnavailable,
  ModelOutputInvalid,
  ModelRefused,
  ModelUnauthorized,
  ModelSuspended,
  ImageUnusable,
  PictureUnavailable,
  PicturesBusy
])
export type ModelError = typeof ModelError.Type
