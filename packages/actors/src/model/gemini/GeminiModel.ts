/**
 * GeminiModel: the ports over Google's Gemini API. It takes images as bytes only; a picture given by its address is fetched
 * before the call (GuardedModels, Pictures). The client library is loaded only when this adapter is made.
 * API reference: https://ai.google.dev/api/generate-content
 */
import type { GenerateContentParameters, MediaResolution, ThinkingLevel } from "@google/genai"
import { NameLookup, RetryAfter } from "@eco2/core/net"
import { Clock, Effect, Option, Redacted, Schema } from "effect"
import type { Duration } from "effect"
import * as ErrorBody from "../ErrorBody.ts"
import { excerpt } from "../Excerpt.ts"
import * as HttpFailure from "../HttpFailure.ts"
import { list, maybe, text } from "../Loose.ts"
import { ImageUnusable, ModelRefused, ModelUnavailable } from "../ModelError.ts"
import type { ModelError } from "../ModelError.ts"
import type { ModelProvider } from "../ModelProvider.ts"
import { effortOf, factsOf, thoughtsOf } from "../ModelTable.ts"
import type { Effort } from "../ModelTable.ts"
import * as StructuredProvider from "../StructuredProvider.ts"
import * as Transport from "../Transport.ts"
import { tokensOf } from "../Usage.ts"
import type { Image } from "../VisionModel.ts"
import * as RetryDelay from "./RetryDelay.ts"

const provider = "gemini"

export interface GeminiSettings {
  readonly apiKey: Redacted.Redacted
  /** Without a version: `https://generativelanguage.googleapis.com`. */
  readonly baseUrl: string
  readonly timeout: Duration.Duration
  readonly effort: Effort
  /** The bound of an output, in tokens; a model's own may be lower. */
  readonly maxOutput: number
}

/** The fields read from a response, or from a piece of a streamed one. Candidates after the first are not requested. */
const Body = Schema.Struct({
  responseId: text,
  candidates: maybe(
    list(
      Schema.Struct({
        finishReason: text,
        content: maybe(Schema.Struct({ parts: maybe(list(Schema.Struct({ text, thought: maybe(Schema.Boolean) }))) }))
      })
    )
  ),
  promptFeedback: maybe(Schema.Struct({ blockReason: text })),
  usageMetadata: maybe(
    Schema.Struct({
      promptTokenCount: Schema.optional(Schema.Unknown),
      cachedContentTokenCount: Schema.optional(Schema.Unknown),
      candidatesTokenCount: Schema.optional(Schema.Unknown),
      thoughtsTokenCount: Schema.optional(Schema.Unknown)
    })
  )
})
type Body = typeof Body.Type
const decode = Schema.decodeUnknownOption(Body)

/** Pieces of a response put together; `finish`: its end has come. */
interface Gathered {
  readonly isOurs: boolean
  readonly text: string
  readonly finish: string | undefined
  readonly block: string | undefined
  readonly usage: Body["usageMetadata"]
  readonly requestId: string | undefined
}

const nothing: Gathered = {
  isOurs: false,
  text: "",
  finish: undefined,
  block: undefined,
  usage: undefined,
  requestId: undefined
}

const said = (body: Body): string =>
  (body.candidates?.[0]?.content?.parts ?? [])
    .flatMap((part) => (part === undefined || part.thought === true ? [] : [part.text ?? ""]))
    .join("")

const joined = (before: Gathered, body: Body): Gathered => ({
  // the library makes an empty response of any JSON
  isOurs:
    before.isOurs ||
    body.candidates !== undefined ||
    body.promptFeedback !== undefined ||
    body.usageMetadata !== undefined,
  text: before.text + said(body),
  finish: body.candidates?.[0]?.finishReason ?? before.finish,
  block: body.promptFeedback?.blockReason ?? before.block,
  usage: body.usageMetadata ?? before.usage,
  requestId: body.responseId ?? before.requestId
})

/** Finish reasons that mean that the API withholds the model's output. */
const blocked = new Set([
  "SAFETY",
  "RECITATION",
  "LANGUAGE",
  "BLOCKLIST",
  "PROHIBITED_CONTENT",
  "SPII",
  "IMAGE_SAFETY",
  "IMAGE_PROHIBITED_CONTENT",
  "IMAGE_RECITATION"
])

const readableTypes = ["image/jpeg", "image/png", "image/webp"]

/** Makes the adapter: one client for the whole process. */
export const make = Effect.fn("GeminiModel.make")(function* ({
  apiKey,
  baseUrl,
  effort,
  maxOutput,
  timeout
}: GeminiSettings): Effect.fn.Return<ModelProvider> {
  const genai = yield* Effect.promise(() => import("@google/genai"))
  const key = Redacted.value(apiKey)
  const connection = { url: baseUrl, lookup: NameLookup.make() }
  const client = new genai.GoogleGenAI({
    apiKey: key,
    // set explicitly, because the library would otherwise read the environment
    vertexai: false,
    // no retryOptions: only the stage's policy retries; no timeout: StructuredProvider has the deadline
    httpOptions: { baseUrl, apiVersion: "v1beta" }
  })
  const levels: Readonly<Record<string, ThinkingLevel>> = genai.ThinkingLevel
  const resolutions: Readonly<Record<string, MediaResolution>> = genai.MediaResolution

  const named = (requestId: string | undefined) =>
    requestId === undefined ? {} : { requestId: excerpt(requestId, key) }

  const fromBody = (
    question: StructuredProvider.Question,
    text: string,
    status: number | null,
    headers: Headers | undefined,
    nowMillis: number
  ): ModelError => {
    const body = ErrorBody.parse(text)
    return HttpFailure.fromSaid({
      provider,
      model: question.model,
      status: status ?? body.status,
      codes: body.codes,
      param: body.param,
      words: body.words,
      retryAfterMillis:
        (body.retryDelay === undefined ? null : RetryDelay.millisOf(body.retryDelay)) ??
        RetryAfter.fromHeaders(headers, nowMillis),
      requestId: requestIdOf(headers),
      hasImage: question.image !== null,
      key,
      userWords: question.userWords
    })
  }

  const replyOf = (
    model: string,
    { block, finish, isOurs, requestId, text, usage }: Gathered,
    headers: Headers | undefined
  ): Effect.Effect<StructuredProvider.Reply, ModelError> => {
    const call = { provider, model, ...named(requestId ?? requestIdOf(headers)) }
    if (!isOurs) {
      return Effect.fail(
        new ModelUnavailable({ ...call, message: `the response for ${model} is not one of the Gemini API` })
      )
    }
    const thought = tokensOf({ output: usage?.thoughtsTokenCount }).outputTokens
    const tokens = tokensOf({
      input: usage?.promptTokenCount,
      cached: usage?.cachedContentTokenCount,
      output: tokensOf({ output: usage?.candidatesTokenCount }).outputTokens + thought,
      reasoning: thought
    })
    if (text === "" && block !== undefined) {
      return Effect.fail(
        new ModelRefused({
          ...call,
          message: "gemini blocked the request",
          excerpt: excerpt(block, key),
          reason: "filter",
          usage: tokens
        })
      )
    }
    const reason = finish ?? "STOP"
    if (blocked.has(reason)) {
      return Effect.fail(
        new ModelRefused({
          ...call,
          message: `gemini withheld the output of ${model}`,
          excerpt: reason,
          reason: "filter",
          billed: "yes",
          usage: tokens
        })
      )
    }
    return Effect.succeed({
      text,
      tokens,
      requestId: requestId ?? requestIdOf(headers),
      incomplete: reason === "STOP" ? null : reason
    })
  }

  const ask = Effect.fnUntraced(function* (question: StructuredProvider.Question) {
    const { hear, image, model, schema, turns } = question
    const facts = factsOf(model)
    const picture = image === null ? null : yield* inlinePart(model, image)
    const watched = Transport.watch()
    const maxOutputTokens = Math.min(maxOutput, facts?.maxOutput ?? maxOutput)
    const level = effortOf(facts, effort)
    const thinkingBudget = thoughtsOf(facts, effort, maxOutputTokens)
    const thinkingLevel = level === null || thinkingBudget !== null ? undefined : levels[level.toUpperCase()]
    const thinkingConfig =
      thinkingBudget === null ? (thinkingLevel === undefined ? undefined : { thinkingLevel }) : { thinkingBudget }
    const mediaResolution = facts?.detail ? resolutions[facts.detail] : undefined
    const request = (abortSignal: AbortSignal): GenerateContentParameters => ({
      model,
      contents: turns.map(({ by, text }, at) => ({
        role: by,
        parts: [{ text }, ...(picture === null || at > 0 ? [] : [picture])]
      })),
      config: {
        systemInstruction: question.instructions,
        responseMimeType: "application/json",
        responseJsonSchema: schema.jsonSchema,
        maxOutputTokens,
        ...(thinkingConfig === undefined ? {} : { thinkingConfig }),
        ...(mediaResolution === undefined || picture === null ? {} : { mediaResolution }),
        abortSignal,
        httpOptions: { fetch: watched.fetch }
      }
    })
    let gathered = nothing
    const take = (value: unknown) => {
      const body = Option.getOrUndefined(decode(value))
      if (body === undefined) return
      gathered = joined(gathered, body)
      if (hear !== null && said(body) !== "") hear(said(body))
    }
    yield* Effect.tryPromise({
      try: async (signal) => {
        if (hear === null) return take(await client.models.generateContent(request(signal)))
        for await (const piece of await client.models.generateContentStream(request(signal))) take(piece)
      },
      catch: (cause) => ({ cause })
    }).pipe(
      Effect.catch(({ cause }) =>
        // what is whole is used, however its connection ended
        gathered.finish === undefined ? Effect.flatMap(fromThrown(question, watched, cause), Effect.fail) : Effect.void
      )
    )
    if (hear !== null && gathered.isOurs && gathered.finish === undefined && gathered.block === undefined) {
      return yield* new ModelUnavailable({
        provider,
        model,
        ...named(gathered.requestId),
        message: `gemini did not finish the call to ${model}`
      })
    }
    return yield* replyOf(model, gathered, watched.response()?.headers)
  })

  const fromThrown = Effect.fnUntraced(function* (
    question: StructuredProvider.Question,
    watched: Transport.Watched,
    cause: unknown
  ): Effect.fn.Return<ModelError> {
    const { model } = question
    const now = yield* Clock.currentTimeMillis
    const response = watched.response()
    const refusal = watched.refusal()
    if (response !== undefined && refusal !== undefined) {
      return fromBody(question, refusal, response.status, response.headers, now)
    }
    // a failure within a stream: the library repeats the piece in its message
    if (cause instanceof genai.ApiError) {
      return fromBody(
        question,
        cause.message.slice(Math.max(0, cause.message.indexOf("{"))),
        null,
        response?.headers,
        now
      )
    }
    const call = { provider, model, ...named(requestIdOf(response?.headers)) }
    return cause instanceof SyntaxError
      ? new ModelUnavailable({ ...call, message: `the response for ${model} is not one of the Gemini API` })
      : yield* HttpFailure.fromConnection(call, connection, cause)
  })

  return StructuredProvider.make({ provider, key, timeout, ask })
})

/** Google's name for a call, where the body has none. */
const requestIdOf = (headers: Headers | undefined): string | undefined =>
  headers?.get("x-request-id") ?? headers?.get("x-goog-request-id") ?? undefined

const inlinePart = (model: string, image: Image) => {
  if (image._tag === "Url") {
    return Effect.fail(new ImageUnusable({ provider, model, message: `${model} takes a picture as bytes only` }))
  }
  return readableTypes.includes(image.mimeType)
    ? Effect.succeed({
        inlineData: {
          mimeType: image.mimeType,
          data: Buffer.from(image.bytes.buffer, image.bytes.byteOffset, image.bytes.byteLength).toString("base64")
        }
      })
    : Effect.fail(new ImageUnusable({ provider, model, message: `${model} reads JPEG, PNG and WebP pictures only` }))
}
