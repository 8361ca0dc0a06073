/**
 * OpenAiModel: the ports over OpenAI's APIs, at OpenAI or at any server that speaks one of them: Responses, or Chat Completions.
 * Takes images as bytes and as URLs, which the provider fetches (without FETCH_IMAGES). The client library is loaded only when this adapter is made.
 * What a server turns out not to know (the Responses API, a schema, a parameter: Form) is left out from then on, for the life of
 * the process. A call by which it is found out fails with ModelFormRefused, and is made again (NextForm).
 */
import { NameLookup, RetryAfter } from "@eco2/core/net"
import { Clock, Duration, Effect, Option, Redacted } from "effect"
import * as ErrorBody from "../ErrorBody.ts"
import { excerpt } from "../Excerpt.ts"
import * as HttpFailure from "../HttpFailure.ts"
import {
  factsOf as factsOfError,
  ModelFormRefused,
  ModelRefused,
  ModelTimeout,
  ModelUnavailable,
  ModelUnsuitable
} from "../ModelError.ts"
import type { ModelError } from "../ModelError.ts"
import type { ModelProvider } from "../ModelProvider.ts"
import { effortOf, factsOf } from "../ModelTable.ts"
import type { Effort } from "../ModelTable.ts"
import * as RateLimitReset from "../RateLimitReset.ts"
import * as StructuredProvider from "../StructuredProvider.ts"
import * as Transport from "../Transport.ts"
import { api as chat } from "./Chat.ts"
import * as Form from "./Form.ts"
import * as Outcome from "./Outcome.ts"
import { api as responses } from "./Responses.ts"

const provider = "openai"

/** Which of OpenAI's APIs a server is asked by. */
export type Api = "responses" | "chat"

export interface OpenAiSettings {
  /** None: no key is sent, as servers of one's own need none. */
  readonly apiKey: Option.Option<Redacted.Redacted>
  /** Version included, no slash at the end: `https://api.openai.com/v1`. */
  readonly baseUrl: string
  readonly timeout: Duration.Duration
  /** `auto`: Responses, or Chat Completions if the server does not know it. */
  readonly api: "auto" | Api
  readonly effort: Effort
  /** The bound of an output, in tokens; a model's own may be lower. */
  readonly maxOutput: number
}

/** A request that failed: the error, and what the server said if it said anything. */
interface Failure {
  readonly error: ModelError
  readonly status: number | null
  readonly refusal: ErrorBody.ErrorBody | null
}

/** Makes the adapter: one client for the whole process. */
export const make = Effect.fn("OpenAiModel.make")(function* ({
  api,
  apiKey,
  baseUrl,
  effort,
  maxOutput,
  timeout
}: OpenAiSettings): Effect.fn.Return<ModelProvider> {
  const openai = yield* Effect.promise(() => import("openai"))
  const key = Option.match(apiKey, { onNone: () => "", onSome: Redacted.value })
  const connection = { url: baseUrl, lookup: NameLookup.make() }
  const client = new openai.OpenAI({
    // the library demands one
    apiKey: key === "" ? "none" : key,
    ...(key === "" ? { defaultHeaders: { Authorization: null } } : {}),
    baseURL: baseUrl,
    // only the stage's policy retries
    maxRetries: 0,
    // a backstop; StructuredProvider has the deadline
    timeout: Math.ceil(Duration.toMillis(timeout)) + 5000,
    // the library must read nothing from the environment and log nothing, because bodies contain images
    organization: null,
    project: null,
    logLevel: "off"
  })

  /** What was found out about the server. */
  let known: Api | null = api === "auto" ? (Form.isOpenAi(baseUrl) ? "responses" : null) : api
  let isWithoutResponses = false
  const forms = new Map<string, Form.Form>()

  const saidOf = (
    question: StructuredProvider.Question,
    refusal: ErrorBody.ErrorBody,
    facts: {
      readonly status: number | null
      readonly retryAfterMillis: number | null
      readonly requestId: string | undefined
    }
  ): HttpFailure.Said => ({
    provider,
    model: question.model,
    codes: refusal.codes,
    param: refusal.param,
    words: refusal.words,
    hasImage: question.image !== null,
    key,
    userWords: question.userWords,
    ...facts
  })

  /** The error for a request without a response, or with one outside 2xx. */
  const fromThrown = Effect.fnUntraced(function* (
    question: StructuredProvider.Question,
    watched: Transport.Watched,
    cause: unknown
  ): Effect.fn.Return<Failure> {
    const call = { provider, model: question.model }
    const response = watched.response()
    const text = watched.refusal()
    if (response !== undefined && text !== undefined) {
      const now = yield* Clock.currentTimeMillis
      const refusal = ErrorBody.parse(text)
      const { headers, status } = response
      const retryAfterMillis =
        RetryAfter.fromHeaders(headers, now) ?? (status === 429 ? RateLimitReset.fromHeaders(headers) : null)
      const error = HttpFailure.fromSaid(
        saidOf(question, refusal, { status, retryAfterMillis, requestId: requestIdOf(headers) })
      )
      return { error, status, refusal }
    }
    const error =
      cause instanceof openai.APIConnectionTimeoutError
        ? new ModelTimeout({ ...call, message: `no answer from ${question.model} in time` })
        : yield* HttpFailure.fromConnection({ ...call, ...named(requestIdOf(response?.headers)) }, connection, cause)
    return { error, status: null, refusal: null }
  })

  const named = (requestId: string | undefined) =>
    requestId === undefined ? {} : { requestId: excerpt(requestId, key) }

  /** One request. */
  const send = Effect.fnUntraced(function* (
    question: StructuredProvider.Question,
    by: Api,
    form: Form.Form
  ): Effect.fn.Return<StructuredProvider.Reply, Failure> {
    const { hear, model } = question
    const facts = factsOf(model)
    const dialect = by === "chat" ? chat : responses
    const watched = Transport.watch()
    const thrown = ({ cause }: { readonly cause: unknown }) =>
      Effect.flatMap(fromThrown(question, watched, cause), Effect.fail)
    const settings = {
      effort: effortOf(facts, effort),
      detail: facts?.detail ?? "auto",
      maxOutput: Math.min(maxOutput, facts?.maxOutput ?? maxOutput)
    }
    const received = yield* Effect.tryPromise({
      try: async (signal) => {
        const response = await client
          .withOptions({ fetch: watched.fetch })
          .post(dialect.path, { body: dialect.body(question, form, settings), signal })
          .asResponse()
        const isStream = /text\/event-stream/i.test(response.headers.get("content-type") ?? "")
        return isStream && response.body !== null ? response.body : await response.text()
      },
      catch: (cause) => ({ cause })
    }).pipe(Effect.catch(thrown))
    let outcome: Outcome.Outcome
    if (typeof received === "string") {
      // a server that knows no streams answers at once
      outcome = dialect.read(parsed(received))
    } else {
      const gathering = dialect.gather(hear ?? (() => undefined))
      yield* Effect.catch(Outcome.follow(received, gathering), (failure) =>
        // what is whole is used, however its connection ended
        gathering.outcome()._tag === "unfinished" ? thrown(failure) : Effect.void
      )
      outcome = gathering.outcome()
    }
    if (outcome._tag === "answered" && typeof received === "string") hear?.(outcome.text)
    return yield* replyOf(question, outcome, watched.response()?.headers, typeof received === "string" ? received : "")
  })

  const replyOf = (
    question: StructuredProvider.Question,
    outcome: Outcome.Outcome,
    headers: Headers | undefined,
    text: string
  ): Effect.Effect<StructuredProvider.Reply, Failure> => {
    const { model } = question
    // the header is what the provider's support asks for
    const requestId = requestIdOf(headers) ?? ("requestId" in outcome ? outcome.requestId : undefined)
    const call = { provider, model, ...named(requestId) }
    const fail = (error: ModelError, refusal: ErrorBody.ErrorBody | null = null, status: number | null = null) =>
      Effect.fail({ error, refusal, status })
    switch (outcome._tag) {
      case "answered":
        return Effect.succeed({ ...outcome, requestId })
      case "refused":
        return fail(
          new ModelRefused({
            ...call,
            message: outcome.reason === "refusal" ? `${model} refuses to answer` : `a content filter stopped ${model}`,
            excerpt: excerpt(outcome.words, key),
            reason: outcome.reason,
            billed: "yes",
            usage: outcome.tokens
          })
        )
      case "failed": {
        const refusal = ErrorBody.of(
          typeof outcome.error === "string" ? { error: outcome.error } : { error: outcome.error }
        )
        const facts = { status: refusal.status, retryAfterMillis: null, requestId }
        return fail(HttpFailure.fromSaid(saidOf(question, refusal, facts)), refusal, refusal.status)
      }
      case "unfinished":
        return fail(new ModelUnavailable({ ...call, message: `${provider} did not finish the call to ${model}` }))
      case "foreign":
        return fail(
          new ModelUnavailable({
            ...call,
            message: `the response for ${model} is none of OpenAI's APIs`,
            excerpt: excerpt(text, key)
          })
        )
    }
  }

  const ask = Effect.fnUntraced(function* (
    question: StructuredProvider.Question
  ): Effect.fn.Return<StructuredProvider.Reply, ModelError> {
    const { image, model } = question
    if (image !== null && factsOf(model)?.images === false) {
      return yield* new ModelUnsuitable({ provider, model, message: `${model} reads no pictures` })
    }
    const by: Api = known ?? (isWithoutResponses ? "chat" : "responses")
    const form = forms.get(model) ?? Form.first(model, baseUrl)
    const result = yield* Effect.result(send(question, by, form))
    if (result._tag === "Success") {
      known ??= by
      return result.success
    }
    const { error, refusal, status } = result.failure
    if (refusal === null) return yield* Effect.fail(error)
    if (known === null && isUnknownRoute(status, refusal)) {
      isWithoutResponses = by === "responses"
      return yield* by === "responses" ? new ModelFormRefused(factsOfError(error)) : Effect.fail(error)
    }
    if (!mayStep(error)) return yield* Effect.fail(error)
    // another call may have found more out meanwhile
    if ((forms.get(model) ?? form) === form) {
      const next = Form.next(form, refusal)
      if (next === null) return yield* Effect.fail(error)
      forms.set(model, next)
      yield* Effect.logInfo("model server does not take a part of the request; it is left out from now on").pipe(
        Effect.annotateLogs({ model, api: by, structured: next.structured, without: [...next.without].join(" ") })
      )
    }
    return yield* new ModelFormRefused(factsOfError(error))
  })

  return StructuredProvider.make({ provider, key, timeout, ask })
})

/** Only what the server did not work on. */
const mayStep = (error: ModelError): boolean =>
  error._tag === "ModelUnsuitable" || (error._tag === "ModelRefused" && error.reason === "request")

/** Whether a server does not know the address, as opposed to the model. LM Studio says so with a 200. */
const isUnknownRoute = (status: number | null, { codes, words }: ErrorBody.ErrorBody): boolean =>
  /unexpected endpoint|unknown (route|url|path|endpoint)|unrecognized request url|invalid url/i.test(words) ||
  ([404, 405, 501].includes(status ?? 0) &&
    !codes.some((code) => /model_not_found|deploymentnotfound/i.test(code)) &&
    !/\b(model|deployment)\b/i.test(words))

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The provider's name for a call: OpenAI's header, or Azure's. */
const requestIdOf = (headers: Headers | undefined): string | undefined =>
  headers?.get("x-request-id") || headers?.get("apim-request-id") || undefined
