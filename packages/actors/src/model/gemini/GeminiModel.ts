/**
 * GeminiModel: the ports over Google's Gemini API. It takes images as bytes only; a picture given by its address is fetched
 * before the call (GuardedModels, Pictures). The client library is loaded only when this adapter is made.
 * API reference: https://ai.google.dev/api/generate-content
 */
import { NameLookup, RetryAfter } from "@eco2/core/net"
import { Clock, Effect, Redacted, Schema } from "effect"
import type { Duration } from "effect"
import { excerpt } from "../Excerpt.ts"
import * as HttpFailure from "../HttpFailure.ts"
import { ImageUnusable, ModelRefused, ModelUnavailable } from "../ModelError.ts"
import type { ModelError } from "../ModelError.ts"
import type { ModelProvider } from "../ModelProvider.ts"
import { fetchOnce } from "../FetchOnce.ts"
import * as StructuredProvider from "../StructuredProvider.ts"
import { tokensOf } from "../Usage.ts"
import type { Image } from "../VisionModel.ts"
import * as RetryDelay from "./RetryDelay.ts"

const provider = "gemini"

export interface GeminiSettings {
  readonly apiKey: Redacted.Redacted
  /** Without a version: `https://generativelanguage.googleapis.com`. */
  readonly baseUrl: string
  readonly timeout: Duration.Duration
}

/** The fields read from a response. Candidates after the first are not requested. */
const ResponseBody = Schema.Struct({
  responseId: Schema.optional(Schema.String),
  candidates: Schema.optional(
    Schema.Array(
      Schema.Struct({
        finishReason: Schema.optional(Schema.String),
        content: Schema.optional(
          Schema.Struct({
            parts: Schema.optional(
              Schema.Array(
                Schema.Struct({ text: Schema.optional(Schema.String), thought: Schema.optional(Schema.Boolean) })
              )
            )
          })
        )
      })
    )
  ),
  promptFeedback: Schema.optional(Schema.Struct({ blockReason: Schema.optional(Schema.String) })),
  usageMetadata: Schema.optional(
    Schema.Struct({
      promptTokenCount: Schema.optional(Schema.Unknown),
      cachedContentTokenCount: Schema.optional(Schema.Unknown),
      candidatesTokenCount: Schema.optional(Schema.Unknown),
      thoughtsTokenCount: Schema.optional(Schema.Unknown)
    })
  )
})
type ResponseBody = typeof ResponseBody.Type

/** The error body, which the client library passes on as text. */
const ErrorBody = Schema.fromJsonString(
  Schema.Struct({
    error: Schema.Struct({
      message: Schema.optional(Schema.String),
      status: Schema.optional(Schema.String),
      details: Schema.optional(
        Schema.Array(
          Schema.Struct({
            reason: Schema.optional(Schema.String),
            retryDelay: Schema.optional(Schema.String),
            violations: Schema.optional(
              Schema.Array(
                Schema.Struct({ quotaId: Schema.optional(Schema.String), quotaValue: Schema.optional(Schema.String) })
              )
            )
          })
        )
      )
    })
  })
)
const readErrorBody = Schema.decodeUnknownOption(ErrorBody)

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

  const fromResponse = (
    question: StructuredProvider.Question,
    response: Response,
    errorText: string,
    nowMillis: number
  ): ModelError => {
    const body = readErrorBody(errorText)
    const error = body._tag === "Some" ? body.value.error : undefined
    const details = error?.details ?? []
    const delay = details.find(({ retryDelay }) => retryDelay !== undefined)?.retryDelay
    // which quota it is, a minute's or a day's, is told by its name alone
    const quotas = details.flatMap(({ violations }) => violations ?? [])
    const words = [
      error?.message ?? "",
      ...quotas.map(({ quotaId = "", quotaValue }) => `${quotaId}${quotaValue === "0" ? " limit: 0" : ""}`)
    ].join(" ")
    return HttpFailure.fromSaid({
      provider,
      model: question.model,
      status: response.status,
      codes: [error?.status, ...details.map(({ reason }) => reason)].filter((code) => code !== undefined),
      param: "",
      words: words.trim(),
      retryAfterMillis:
        (delay === undefined ? null : RetryDelay.millisOf(delay)) ??
        RetryAfter.fromHeaders(response.headers, nowMillis),
      requestId: requestIdOf(response.headers),
      hasImage: question.image !== null,
      key
    })
  }

  const read = (
    model: string,
    body: ResponseBody,
    requestId: string | undefined
  ): Effect.Effect<StructuredProvider.Reply, ModelError> => {
    const call = { provider, model, ...(requestId === undefined ? {} : { requestId: excerpt(requestId, key) }) }
    const candidate = body.candidates?.[0]
    const block = body.promptFeedback?.blockReason
    const usage = body.usageMetadata
    const answered = tokensOf({ output: usage?.candidatesTokenCount })
    const thought = tokensOf({ output: usage?.thoughtsTokenCount })
    const tokens = tokensOf({
      input: usage?.promptTokenCount,
      cached: usage?.cachedContentTokenCount,
      output: answered.outputTokens + thought.outputTokens,
      reasoning: thought.outputTokens
    })
    if (candidate === undefined && block !== undefined) {
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
    const reason = candidate?.finishReason ?? "STOP"
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
    const text = (candidate?.content?.parts ?? [])
      .filter(({ thought }) => thought !== true)
      .map((part) => part.text ?? "")
      .join("")
    return Effect.succeed({ text, tokens, requestId, incomplete: reason === "STOP" ? null : reason })
  }

  const ask = Effect.fnUntraced(function* (question: StructuredProvider.Question) {
    const { image, model, schema } = question
    const picture = image === null ? null : yield* inlinePart(model, image)
    // the library's errors carry no headers, so the response is read here first
    let response: Response | undefined
    const seeing: typeof fetch = async (input, init) => (response = await fetchOnce(input, init))
    const body = yield* Effect.tryPromise({
      try: (signal) =>
        client.models.generateContent({
          model,
          contents: question.turns.map(({ by, text }, at) => ({
            role: by,
            parts: [{ text }, ...(picture === null || at > 0 ? [] : [picture])]
          })),
          config: {
            systemInstruction: question.instructions,
            responseMimeType: "application/json",
            responseJsonSchema: schema.jsonSchema,
            abortSignal: signal,
            httpOptions: { fetch: seeing }
          }
        }),
      catch: (cause) => ({ cause })
    }).pipe(
      Effect.catch(({ cause }) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          if (response !== undefined && !response.ok) {
            return Effect.fail(fromResponse(question, response, cause instanceof Error ? cause.message : "", now))
          }
          return cause instanceof SyntaxError
            ? Effect.fail(unreadable(model))
            : Effect.flatMap(HttpFailure.fromConnection({ provider, model }, connection, cause), Effect.fail)
        })
      )
    )
    const decoded = yield* Effect.mapError(Schema.decodeUnknownEffect(ResponseBody)(body), () => unreadable(model))
    // the library makes an empty response of any JSON
    if (
      decoded.candidates === undefined &&
      decoded.promptFeedback === undefined &&
      decoded.usageMetadata === undefined
    ) {
      return yield* unreadable(model)
    }
    return yield* read(model, decoded, decoded.responseId ?? requestIdOf(response?.headers))
  })

  return StructuredProvider.make({ provider, key, timeout, ask })
})

const unreadable = (model: string): ModelError =>
  new ModelUnavailable({ provider, model, message: `the response for ${model} is not one of the Gemini API` })

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
