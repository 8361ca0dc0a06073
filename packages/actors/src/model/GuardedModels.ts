/**
 * GuardedModels: both ports with the providers' limits (MODEL_LIMITS) and circuit breakers around them. Every call passes here,
 * whichever adapter serves it:
 *   breaker (one a model)   open: no call is made · what concerns the model opens it at once, outages after several (FailureKinds)
 *   breaker (one a provider's account)  what concerns key or account opens it at once, for every model of the provider; one call
 *                           of any of them probes it
 *   limit (one a model)     a call waits for its permit; tokens are reserved by an estimate and settled by the reported usage
 *   429                     pauses the model for the whole fleet, for as long as the provider asks
 *   pictures                a picture is fetched by its address before all that (Pictures), so that its metadata stay here: a slow
 *                           or dead picture host fails its user's scan, and does not open the breaker. Without FETCH_IMAGES only
 *                           for a provider that takes bytes alone
 *   output                  that cannot be used is asked for once more (Repair): a second call, which passes all this too
 *   form                    that the server refuses is changed, and the call is made again (NextForm): it passes all this too
 *   day's budgets           of the user and of all: a call that they have no room for is not made (DayBudgets)
 *   ledger                  each call is a row of its job's ledger (PaidModelCall)
 * Around a request stand the replies known already (ReusedReplies) and the models to try one after the other (ModelChain).
 * Waiting counts neither against MODEL_TIMEOUT nor against the stage's timeout, and spends no attempt (RateLimiter, ModelRetry).
 * The simulated model has a limit if one is set, and no breaker.
 */
import { CircuitBreaker, CoreConfig, Jitter, Limit, PaidCalls, RateLimiter, RedisError, Setting } from "@eco2/core"
import type { RedisClient } from "@eco2/core/redis"
import { Context, Duration, Effect, Layer, Schema } from "effect"
import type { Config } from "effect"
import { Classification, FinalAnswer } from "../domain/Scan.ts"
import { UNCLASSIFIED } from "../domain/Waste.ts"
import { AnswerModel } from "./AnswerModel.ts"
import type { AnswerReply } from "./AnswerModel.ts"
import * as DayBudgets from "./DayBudgets.ts"
import type { Spending } from "./DayBudgets.ts"
import * as ModelChain from "./ModelChain.ts"
import { isPriceUnsure, priceOf, tableDate } from "./ModelTable.ts"
import * as PaidModelCall from "./PaidModelCall.ts"
import * as RequestKey from "./RequestKey.ts"
import * as ReusedReplies from "./ReusedReplies.ts"
import { noTokens } from "./Usage.ts"
import { ModelConfig } from "./ModelConfig.ts"
import { billedOf, isModelError, isOfAccount, kindOf } from "./FailureKinds.ts"
import { factsOf, ModelRateLimited, ModelSuspended, ModelUnavailable } from "./ModelError.ts"
import type { ModelError } from "./ModelError.ts"
import { limitName, ModelBreaker, ModelLimits } from "./ModelLimits.ts"
import * as ModelMetrics from "./ModelMetrics.ts"
import * as NextForm from "./NextForm.ts"
import type { Provider } from "./OfferedModels.ts"
import { answerInstructions, answerMaterial, visionInstructions } from "./Prompts.ts"
import { Pictures } from "./Pictures.ts"
import * as Repair from "./Repair.ts"
import * as TokenEstimate from "./TokenEstimate.ts"
import type { Usage } from "./Usage.ts"
import { VisionModel } from "./VisionModel.ts"
import type { VisionReply, VisionRequest } from "./VisionModel.ts"

/** Pause after a 429 that names no time; doubled by each further one in a row, up to `longestAway`. */
const unnamedPause = Duration.seconds(2)
/** The longest pause that a provider can cause for the fleet; an operator can end it sooner (`eco2 limits resume`). */
const longestPause = Duration.minutes(15)
/** The job that got the 429 retries no later than this, in case the pause was ended. */
const longestAway = Duration.minutes(1)
/** Whether a provider takes no picture addresses. */
const takesBytesOnly = (provider: Provider) => provider === "gemini"
/** Token estimates for an image and an output before the first calls are known. */
const imageTokens = 1_500
const outputTokens = 800

type Guarded = ModelError | Limit.RateLimited | Limit.PermitLost | RedisError.RedisError

/** What a model's breaker learns; what is the account's is its account's to learn. */
const judgeModel = (error: Guarded): CircuitBreaker.Judgement =>
  isModelError(error) && !isOfAccount(error) ? kindOf(error).breaker : "nothing"
/** What its account's breaker learns: an outage says nothing about the account, and neither does a model that is gone. */
const judgeAccount = (error: Guarded | CircuitBreaker.BreakerOpen): CircuitBreaker.Judgement =>
  isModelError(error) && (isOfAccount(error) || kindOf(error).breaker === "well") ? kindOf(error).breaker : "nothing"

/** The ports' errors for a call that was not made: nothing happened, retry later. */
const asModelError =
  (call: { readonly provider: string; readonly model: string }) =>
  (error: Guarded | CircuitBreaker.BreakerOpen): ModelError => {
    switch (error._tag) {
      case "RateLimited":
        return new ModelRateLimited({
          ...call,
          message: `${call.model} has no room within its limit (MODEL_LIMITS)`,
          retryAfterMillis: Duration.toMillis(error.retryAfter)
        })
      case "BreakerOpen":
        return new ModelSuspended({
          ...call,
          message: `calls to ${call.model} are suspended: the circuit breaker ${error.breaker} is open`,
          retryAfterMillis: Duration.toMillis(error.retryAfter)
        })
      case "RedisFull":
      case "RedisRefused":
      case "RedisUnavailable":
      case "RedisReplyInvalid":
        return new ModelSuspended({
          ...call,
          message: `no permit for a call to ${call.model}: ${RedisError.reasonFor(error)}`,
          retryAfterMillis: Jitter.millis(Duration.toMillis(unnamedPause))
        })
      case "PermitLost":
        return new ModelUnavailable({ ...call, message: `the permit for the call to ${call.model} was lost` })
      default:
        return error
    }
  }

/** What is asked of a model. */
interface Asked {
  readonly model: string
  /** Model and port, whose calls use about the same number of tokens. */
  readonly kind: string
  /** Tokens, before the first such call. */
  readonly guess: number
  /** RequestKey. */
  readonly request: string
}

const visionReply: ReusedReplies.Kind<Omit<VisionReply, "usage">> = {
  schema: Schema.Struct({ classification: Classification, situationTags: Schema.Array(Schema.String) }),
  // who sends the same photo again may have better luck
  keep: ({ classification }) => classification.major_category !== UNCLASSIFIED
}
const answerReply: ReusedReplies.Kind<Omit<AnswerReply, "usage">> = {
  schema: Schema.Struct({ answer: FinalAnswer }),
  keep: () => true
}

/** Needs the ports it guards. A limit for a model that is not offered is logged. */
export const layer: Layer.Layer<
  VisionModel | AnswerModel,
  Config.ConfigError,
  | VisionModel
  | AnswerModel
  | Pictures
  | RateLimiter.RateLimiter
  | CircuitBreaker.CircuitBreaker
  | RedisClient.RedisClient
  | CoreConfig
> = Layer.effectContext(
  Effect.gen(function* () {
    const vision = yield* VisionModel
    const answer = yield* AnswerModel
    const pictures = yield* Pictures
    const limiter = yield* RateLimiter.RateLimiter
    const breakers = yield* CircuitBreaker.CircuitBreaker
    const { fetchImages, offered, prices, timeout } = yield* ModelConfig
    const chains = yield* ModelChain.ModelChains
    const reuse = yield* ReusedReplies.make
    const budgets = yield* DayBudgets.make(limiter)
    const { jobBudget } = yield* CoreConfig
    if (budgets.areInMoney || (jobBudget !== null && "cost" in jobBudget)) {
      const billed = offered.models.filter((model) => offered.providerOf(model) !== "simulated")
      const unpriced = billed.filter((model) => priceOf(model, noTokens, prices) === null)
      if (unpriced.length > 0) {
        return yield* Setting.refused(
          `a budget in money (JOB_BUDGET, USER_DAY_BUDGET, DAY_BUDGET) needs a price for every model; MODEL_PRICES lacks ${unpriced.join(", ")}`
        )
      }
      const unsure = billed.filter((model) => isPriceUnsure(model, prices))
      if (unsure.length > 0) {
        yield* Effect.logWarning("a budget in money rests on prices that are not certain; set MODEL_PRICES").pipe(
          Effect.annotateLogs({ models: unsure.join(" "), table_date: tableDate })
        )
      }
    }
    const limits = yield* ModelLimits
    const outages = yield* ModelBreaker
    const estimate = TokenEstimate.make()
    /** By model: how many 429 in a row named no time, to this process. */
    const unnamed = new Map<string, number>()
    const strangers = [...limits.keys()].filter((model) => offered.providerOf(model) === undefined)
    if (strangers.length > 0) {
      yield* Effect.logWarning("MODEL_LIMITS names models that are not offered").pipe(
        Effect.annotateLogs({ models: strangers })
      )
    }
    /** A model without a limit of its own can still be paused. */
    const limitOf = (model: string): Limit.Limit => limits.get(model) ?? Limit.make(limitName(model), {})
    const breakerOf = (name: string, provider: Provider | undefined) =>
      outages === null || provider === "simulated"
        ? null
        : CircuitBreaker.make(name, {
            failures: outages.number,
            within: outages.window,
            probeFor: Duration.sum(timeout, Duration.seconds(10))
          })
    const guards = new Map(
      offered.models.map((model) => {
        const provider = offered.providerOf(model)
        return [
          model,
          {
            limit: limitOf(model),
            breaker: breakerOf(`${provider}/${model}`, provider),
            // a provider has one key here, so one account
            account: breakerOf(`${provider}`, provider)
          }
        ]
      })
    )

    // so that a scrape tells of a breaker that was open before this process began, and whose model nobody has asked for since
    for (const breaker of [...guards.values()].flatMap((guard) => [guard.account, guard.breaker]))
      if (breaker !== null) yield* Effect.ignore(breakers.look(breaker))

    const guarded = <A extends { readonly usage: Usage }>(
      { guess, kind, model, request }: Asked,
      made: Effect.Effect<A, ModelError>
    ): Effect.Effect<A, ModelError> => {
      const provider: Provider | undefined = offered.providerOf(model)
      const guard = guards.get(model)
      if (provider === undefined || guard === undefined) return made
      const measured = ModelMetrics.measured(provider, model, made)
      const isSimulated = provider === "simulated"
      if (isSimulated && !limits.has(model)) return measured
      const call = isSimulated
        ? measured
        : PaidModelCall.recorded({ provider, model, request, timeout, prices }, measured)
      const { account, breaker, limit } = guard
      const expected = estimate.of(kind, guess)
      const guessed = { ...noTokens, inputTokens: Math.max(0, expected - outputTokens), outputTokens }
      const spending = { tokens: expected, cost: priceOf(model, guessed, prices) }
      const limited = (spent: (spending: Spending) => void) =>
        limiter.use(limit, { units: limit.units === null ? 1 : expected }, (permit) =>
          call.pipe(
            Effect.tap(({ usage }) =>
              Effect.sync(() => {
                unnamed.delete(model)
                const tokens = usage.inputTokens + usage.outputTokens
                if (tokens === 0) return
                estimate.saw(kind, tokens)
                spent({ tokens, cost: priceOf(model, usage, prices) })
                if (limit.units !== null) permit.used(tokens)
              })
            ),
            Effect.tapError((error) =>
              Effect.sync(() => {
                // one that may be billed keeps the estimate
                if (!isModelError(error) || billedOf(error) === "no") spent({ tokens: 0, cost: 0 })
                else if (error.usage !== undefined) {
                  const tokens = error.usage.inputTokens + error.usage.outputTokens
                  spent({ tokens, cost: priceOf(model, error.usage, prices) })
                }
              })
            ),
            Effect.catchTag("ModelRateLimited", (error) =>
              Effect.gen(function* () {
                const inRow = (unnamed.get(model) ?? 0) + 1
                if (error.retryAfterMillis === null) unnamed.set(model, Math.min(inRow, 10))
                const asked =
                  error.retryAfterMillis === null
                    ? Duration.min(Duration.times(unnamedPause, 2 ** (Math.min(inRow, 10) - 1)), longestAway)
                    : Duration.millis(error.retryAfterMillis)
                const pause = Duration.min(asked, longestPause)
                yield* Effect.logWarning("provider rate limit reached; model paused for the fleet").pipe(
                  Effect.annotateLogs({ model, pause_ms: Duration.toMillis(pause), asked_ms: Duration.toMillis(asked) })
                )
                // this job waits even if the pause is not stored; with jitter, because many jobs get the 429 at once
                yield* Effect.ignore(limiter.pause(limit, pause))
                const retryAfterMillis = Jitter.millis(Duration.toMillis(Duration.min(pause, longestAway)))
                return yield* new ModelRateLimited({ ...factsOf(error), retryAfterMillis })
              })
            )
          )
        )
      const counted = Effect.flatMap(PaidCalls.PaidCalls, ({ owner }) =>
        budgets.within({ provider, model, owner }, spending, limited)
      )
      const safe =
        breaker === null || account === null
          ? counted
          : breakers.guard(account, breakers.guard(breaker, counted, judgeModel), judgeAccount)
      return Effect.mapError(safe, asModelError({ provider, model }))
    }

    /** Asking it again costs nothing. */
    const isFree = (model: string) => offered.providerOf(model) === "simulated"
    const classify = (asked: VisionRequest) => {
      const { image, userInput } = asked
      const question = RequestKey.vision(asked)
      const ask = ModelChain.firstOf(
        ModelChain.of({ default: chains.default, models: chains.vision }, asked.model),
        offered.providerOf,
        (model) =>
          Repair.once((repair) =>
            NextForm.through(
              guarded(
                {
                  model,
                  kind: `${model} vision`,
                  guess: TokenEstimate.ofText(visionInstructions, userInput) + imageTokens + outputTokens,
                  request: RequestKey.of([question, model, repair?.output ?? null])
                },
                vision.classify({ ...asked, model, ...(repair === undefined ? {} : { repair }) })
              )
            )
          )
      )
      // what stands behind an address may change
      return image._tag === "Url" || isFree(asked.model) ? ask : reuse(visionReply, question, ask)
    }
    /** Checks the breakers before anything is fetched: no fetch for a call that would not be made. */
    const look = (provider: Provider, model: string) =>
      Effect.forEach(
        [guards.get(model)?.account ?? null, guards.get(model)?.breaker ?? null],
        (breaker) =>
          breaker === null ? Effect.void : Effect.mapError(breakers.look(breaker), asModelError({ provider, model })),
        { discard: true }
      )

    return Context.make(VisionModel, {
      classify: (request) => {
        const { image, model, owner = "" } = request
        const provider = offered.providerOf(model)
        const isFetchedHere = (hosted: Provider) => takesBytesOnly(hosted) || (fetchImages && hosted !== "simulated")
        if (image._tag === "Bytes" || provider === undefined || !isFetchedHere(provider)) return classify(request)
        return Effect.andThen(
          look(provider, model),
          pictures.use({ provider, model, url: image.url, owner }, (bytes) => classify({ ...request, image: bytes }))
        )
      }
    }).pipe(
      Context.add(AnswerModel, {
        answer: (asked) => {
          const material = answerMaterial(asked)
          const question = RequestKey.answer(asked)
          const ask = ModelChain.firstOf(
            ModelChain.of({ default: chains.default, models: chains.answer }, asked.model),
            offered.providerOf,
            (model) =>
              Repair.once((repair) =>
                NextForm.through(
                  guarded(
                    {
                      model,
                      kind: `${model} answer`,
                      guess: TokenEstimate.ofText(answerInstructions, material) + outputTokens,
                      request: RequestKey.of([question, model, repair?.output ?? null])
                    },
                    answer.answer({ ...asked, model, ...(repair === undefined ? {} : { repair }) })
                  )
                )
              )
          )
          return isFree(asked.model) ? ask : reuse(answerReply, question, ask)
        }
      })
    )
  })
)
