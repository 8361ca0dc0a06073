/**
 * ModelError: the errors of a model call, the same for every provider. What each one means for retries, breakers, other models
 * and cost is one table: FailureKinds.
 * Messages are ours, never the provider's: they contain neither the key nor the image. `excerpt` quotes at most 200 characters
 * of the provider's text (Excerpt). The stage's policy (ModelRetry) decides about retrying, parking and giving up.
 */
import { Schema } from "effect"
import { Tokens } from "./Usage.ts"

/** Whether the provider bills the call: it did the work, it did none, or nobody here can tell. */
export const Billed = Schema.Literals(["yes", "no", "unknown"])
export type Billed = typeof Billed.Type

const Excerpt = Schema.String.check(Schema.isMaxLength(200))

const call = {
  /** `openai`, `gemini`, `simulated`, or `none` for a model that is not offered. */
  provider: Schema.String,
  model: Schema.String,
  /** One readable sentence. */
  message: Schema.String,
  /** What the provider said; at most 200 characters, without key and image. */
  excerpt: Schema.optionalKey(Excerpt),
  /** The provider's name for the call. */
  requestId: Schema.optionalKey(Excerpt),
  /** Only where it differs from the tag's row in FailureKinds. */
  billed: Schema.optionalKey(Billed),
  /** What the provider counted, if it said. */
  usage: Schema.optionalKey(Tokens)
}

/**
 * The provider asks for fewer calls (429), or our own limit has no room. Retrying after `retryAfterMillis` is safe and spends no
 * attempt; null: the provider named no time.
 */
export class ModelRateLimited extends Schema.TaggedError<ModelRateLimited>()("ModelRateLimited", {
  ...call,
  retryAfterMillis: Schema.NullOr(Schema.Finite)
}) {}

/** No answer within MODEL_TIMEOUT; the request was aborted. The provider may bill it. */
export class ModelTimeout extends Schema.TaggedError<ModelTimeout>()("ModelTimeout", call) {}

/**
 * The provider refused or dropped the connection, answered 5xx, or answered what is not its API. A refused connection is not
 * billed; a dropped one may be.
 */
export class ModelUnavailable extends Schema.TaggedError<ModelUnavailable>()("ModelUnavailable", call) {}

/**
 * No connection could be made, for a reason on our side: our name servers, our network, our limits. This says nothing about the
 * model. Retrying after `retryAfterMillis` is safe and spends no attempt.
 */
export class ModelUnreachable extends Schema.TaggedError<ModelUnreachable>()("ModelUnreachable", {
  ...call,
  retryAfterMillis: Schema.Finite
}) {}

/**
 * The answer is not what was asked for: empty, cut off, not JSON, fields missing or of a wrong type, a category that does not
 * exist. Billed. `problem` and `output` are for asking once more (Repair).
 */
export class ModelOutputInvalid extends Schema.TaggedError<ModelOutputInvalid>()("ModelOutputInvalid", {
  ...call,
  excerpt: Excerpt,
  /** What is wrong, in words for the model. */
  problem: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(500))),
  /** The beginning of the output, without key and image. */
  output: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(4_000)))
}) {}

/**
 * The provider does not answer this request, and would not answer it again: the model refused (billed), a filter stopped it, or
 * the request is wrong (400). Final for this job.
 */
export class ModelRefused extends Schema.TaggedError<ModelRefused>()("ModelRefused", {
  ...call,
  excerpt: Excerpt,
  reason: Schema.optionalKey(Schema.Literals(["refusal", "filter", "request"]))
}) {}

/** Question and material are longer than the model reads, or than one call may be. Final for this job. */
export class ModelInputTooLong extends Schema.TaggedError<ModelInputTooLong>()("ModelInputTooLong", call) {}

/** The key is wrong, revoked or without permission (401, 403). Fails every job until an operator corrects it. */
export class ModelUnauthorized extends Schema.TaggedError<ModelUnauthorized>()("ModelUnauthorized", call) {}

/**
 * The account has no credit, no billing, or has used up its budget or its day, under whatever status (402, 429, 400, 403). Not a
 * rate limit: waiting seconds changes nothing. Fails every job until an operator pays or the day ends. `of`: the model alone has
 * used up its day, other models of the account may serve.
 */
export class ModelAccountExhausted extends Schema.TaggedError<ModelAccountExhausted>()("ModelAccountExhausted", {
  ...call,
  of: Schema.optionalKey(Schema.Literal("model"))
}) {}

/**
 * The model cannot do what we ask of it, whoever the user is: it does not exist or was shut down, reads no pictures, does not
 * know a parameter, takes no schema. Another model may serve the job.
 */
export class ModelUnsuitable extends Schema.TaggedError<ModelUnsuitable>()("ModelUnsuitable", call) {}

/**
 * The server does not take a part of the request, which is left out from now on. It did no work: asking again at once is safe
 * (NextForm).
 */
export class ModelFormRefused extends Schema.TaggedError<ModelFormRefused>()("ModelFormRefused", call) {}

/**
 * This worker does not serve the model, though a gateway offered it: during an update others may. Retrying after
 * `retryAfterMillis` is safe and spends no attempt.
 */
export class ModelNotServed extends Schema.TaggedError<ModelNotServed>()("ModelNotServed", {
  ...call,
  retryAfterMillis: Schema.Finite
}) {}

/** The provider cannot read this image, or cannot fetch it from its address. Final for this image. */
export class ImageUnusable extends Schema.TaggedError<ImageUnusable>()("ImageUnusable", call) {}

/**
 * The picture could not be fetched from its address, by us or by the provider: its server is slow, broken or rate-limits. This
 * says nothing about the model. Retryable a few times.
 */
export class PictureUnavailable extends Schema.TaggedError<PictureUnavailable>()("PictureUnavailable", call) {}

/**
 * The picture was not fetched: this process already fetches its maximum in all, for this owner, or from this host. Retrying
 * after `retryAfterMillis` is safe and spends no attempt.
 */
export class PicturesBusy extends Schema.TaggedError<PicturesBusy>()("PicturesBusy", {
  ...call,
  retryAfterMillis: Schema.Finite
}) {}

/**
 * The call was not made: the model's breaker is open, or no permit could be had. Retrying after `retryAfterMillis` is safe and
 * spends no attempt.
 */
export class ModelSuspended extends Schema.TaggedError<ModelSuspended>()("ModelSuspended", {
  ...call,
  retryAfterMillis: Schema.Finite
}) {}

/** This run of the job has made as many paid calls as MAX_PAID_ATTEMPTS allows. The call was not made. Final for this run. */
export class CallBudgetSpent extends Schema.TaggedError<CallBudgetSpent>()("CallBudgetSpent", call) {}

/** The calls of this run have cost what JOB_BUDGET allows. The call was not made. Final for this run. */
export class JobBudgetSpent extends Schema.TaggedError<JobBudgetSpent>()("JobBudgetSpent", call) {}

/** The user's jobs have cost what USER_DAY_BUDGET allows in a day. The call was not made. Final for this job. */
export class UserBudgetSpent extends Schema.TaggedError<UserBudgetSpent>()("UserBudgetSpent", call) {}

/** All jobs have cost what DAY_BUDGET allows in a day. The call was not made. Fails every job until there is room again. */
export class DayBudgetSpent extends Schema.TaggedError<DayBudgetSpent>()("DayBudgetSpent", call) {}

/** Any of them, told apart by `_tag`. */
export const ModelError = Schema.Union([
  ModelRateLimited,
  ModelTimeout,
  ModelUnavailable,
  ModelUnreachable,
  ModelOutputInvalid,
  ModelRefused,
  ModelInputTooLong,
  ModelUnauthorized,
  ModelAccountExhausted,
  ModelUnsuitable,
  ModelFormRefused,
  ModelSuspended,
  ModelNotServed,
  ImageUnusable,
  PictureUnavailable,
  PicturesBusy,
  CallBudgetSpent,
  JobBudgetSpent,
  UserBudgetSpent,
  DayBudgetSpent
])
export type ModelError = typeof ModelError.Type

/** What every error carries, for another error about the same call. */
export const factsOf = ({ billed, excerpt, message, model, provider, requestId, usage }: ModelError) => ({
  provider,
  model,
  message,
  ...(excerpt === undefined ? {} : { excerpt }),
  ...(requestId === undefined ? {} : { requestId }),
  ...(billed === undefined ? {} : { billed }),
  ...(usage === undefined ? {} : { usage })
})
