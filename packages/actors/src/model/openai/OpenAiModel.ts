/**
 * OpenAiModel: the ports over OpenAI's Responses API, or a server that speaks it. Takes images as bytes and as URLs, which the
 * provider fetches (without FETCH_IMAGES). The client library is loaded only when this adapter is made.
 * API reference: https://platform.openai.com/docs/api-reference/responses
 */
import { NameLookup, RetryAfter } from "@eco2/core/net"
import { Clock, Duration, Effect, Redacted, Schema } from "effect"
import type { APIError } from "openai"
import { excerpt } from "../Excerpt.ts"
import * as HttpFailure from "../HttpFailure.ts"
import { ModelRefused, ModelTimeout, ModelUnavailable } from "../ModelError.ts"
import type { ModelError } from "../ModelError.ts"
import type { ModelProvider } from "../ModelProvider.ts"
import { fetchOnce } from "../FetchOnce.ts"
import * as StructuredProvider from "../StructuredProvider.ts"
import { tokensOf } from "../Usage.ts"
import type { Image } from "../VisionModel.ts"

const provider = "openai"

export interface OpenAiSettings {
  readonly apiKey: Redacted.Redacted
  /** Version included, no slash at the end: `https://api.openai.com/v1`. */
  readonly baseUrl: string
  readonly timeout: Duration.Duration
}

/** The fields read from a response; reasoning and other output items are ignored. */
const ResponseBody = Schema.Struct({
  id: Schema.optional(Schema.String),
  status: Schema.optional(Schema.NullOr(Schema.String)),
  error: Schema.optional(Schema.NullOr(Schema.Struct({ code: Schema.String, message: Schema.String }))),
  incomplete_details: Schema.optional(Schema.NullOr(Schema.Struct({ reason: Schema.optional(Schema.String) }))),
  output: Schema.Array(
    Schema.Struct({
      type: Schema.String,
      content: Schema.optional(
        Schema.NullOr(
          Schema.Array(
            Schema.Struct({
              type: Schema.String,
              text: Schema.optional(Schema.String),
              refusal: Schema.optional(Schema.String)
            })
          )
        )
      )
    })
  ),
  usage: Schema.optional(
    Schema.NullOr(
      Schema.Struct({
        input_tokens: Schema.optional(Schema.Unknown),
        input_tokens_details: Schema.optional(
          Schema.NullOr(Schema.Struct({ cached_tokens: Schema.optional(Schema.Unknown) }))
        ),
        output_tokens: Schema.optional(Schema.Unknown),
        output_tokens_details: Schema.optional(
          Schema.NullOr(Schema.Struct({ reasoning_tokens: Schema.optional(Schema.Unknown) }))
        )
      })
    )
  )
})
type ResponseBody = typeof ResponseBody.Type

/** Makes the adapter: one client, so one pool of connections, for the whole process. */
export const make = Effect.fn("OpenAiModel.make")(function* ({
  apiKey,
  baseUrl,
  timeout
}: OpenAiSettings): Effect.fn.Return<ModelProvider> {
  const openai = yield* Effect.promise(() => import("openai"))
  const key = Redacted.value(apiKey)
  const connection = { url: baseUrl, lookup: NameLookup.make() }
  const client = new openai.OpenAI({
    apiKey: key,
    baseURL: baseUrl,
    // only the stage's policy retries
    maxRetries: 0,
    fetch: fetchOnce,
    // a backstop; StructuredProvider has the deadline
    timeout: Math.ceil(Duration.toMillis(timeout)) + 5000,
    // the library must read nothing from the environment and log nothing, because bodies contain images
    organization: null,
    project: null,
    logLevel: "off"
  })

  const fromApiError = (
    question: StructuredProvider.Question,
    error: APIError,
    status: number,
    nowMillis: number
  ): ModelError =>
    HttpFailure.fromSaid({
      provider,
      model: question.model,
      status,
      codes: [error.code, error.type].filter((code) => typeof code === "string"),
      param: typeof error.param === "string" ? error.param : "",
      words: error.message,
      retryAfterMillis: RetryAfter.fromHeaders(error.headers, nowMillis),
      requestId: requestIdOf(error.headers),
      hasImage: question.image !== null,
      key
    })

  const fromThrown = (
    question: StructuredProvider.Question,
    cause: unknown,
    nowMillis: number
  ): Effect.Effect<ModelError> => {
    const call = { provider, model: question.model }
    if (cause instanceof openai.APIConnectionTimeoutError) {
      return Effect.succeed(new ModelTimeout({ ...call, message: `no answer from ${question.model} in time` }))
    }
    if (cause instanceof openai.APIError && cause.status !== undefined) {
      return Effect.succeed(fromApiError(question, cause, cause.status, nowMillis))
    }
    if (cause instanceof SyntaxError) return Effect.succeed(unreadable(call, ""))
    return HttpFailure.fromConnection(call, connection, cause)
  }

  const read = (
    question: StructuredProvider.Question,
    body: ResponseBody
  ): Effect.Effect<StructuredProvider.Reply, ModelError> => {
    const { model } = question
    const call = { provider, model }
    if (body.error) {
      return Effect.fail(
        HttpFailure.fromSaid({
          ...call,
          status: null,
          codes: [body.error.code],
          param: "",
          words: body.error.message,
          retryAfterMillis: null,
          requestId: body.id,
          hasImage: question.image !== null,
          key
        })
      )
    }
    const tokens = tokensOf({
      input: body.usage?.input_tokens,
      cached: body.usage?.input_tokens_details?.cached_tokens,
      output: body.usage?.output_tokens,
      reasoning: body.usage?.output_tokens_details?.reasoning_tokens
    })
    const parts = body.output.filter(({ type }) => type === "message").flatMap(({ content }) => content ?? [])
    const refusal = parts.find(({ type }) => type === "refusal")
    if (refusal !== undefined) {
      const words = excerpt(refusal.refusal ?? "", key)
      return Effect.fail(
        new ModelRefused({
          ...call,
          message: `${model} refuses to answer`,
          excerpt: words,
          reason: "refusal",
          billed: "yes",
          usage: tokens
        })
      )
    }
    const text = parts
      .filter(({ type }) => type === "output_text")
      .map((part) => part.text ?? "")
      .join("")
    const reason = body.incomplete_details?.reason
    if (body.status === "incomplete" && reason === "content_filter") {
      return Effect.fail(
        new ModelRefused({
          ...call,
          message: `a content filter stopped ${model}`,
          excerpt: "",
          reason: "filter",
          billed: "yes",
          usage: tokens
        })
      )
    }
    if (body.status === "failed" || body.status === "cancelled") {
      return Effect.fail(new ModelUnavailable({ ...call, message: `openai did not finish the call to ${model}` }))
    }
    return Effect.succeed({
      text,
      tokens,
      requestId: body.id,
      incomplete: body.status === "incomplete" ? (reason ?? "incomplete") : null
    })
  }

  const ask = Effect.fnUntraced(function* (question: StructuredProvider.Question) {
    const { model, schema } = question
    const body = yield* Effect.tryPromise({
      try: (signal) =>
        client.responses.create(
          {
            model,
            // photos of people's homes are not stored at the provider
            store: false,
            instructions: question.instructions,
            input: question.turns.map(({ by, text }, at) =>
              by === "model"
                ? { role: "assistant" as const, content: text }
                : {
                    role: "user" as const,
                    content: [
                      { type: "input_text" as const, text },
                      ...(question.image === null || at > 0
                        ? []
                        : [
                            {
                              type: "input_image" as const,
                              detail: "auto" as const,
                              image_url: imageUrl(question.image)
                            }
                          ])
                    ]
                  }
            ),
            text: { format: { type: "json_schema", name: schema.name, strict: true, schema: { ...schema.jsonSchema } } }
          },
          { signal }
        ),
      catch: (cause) => ({ cause })
    }).pipe(
      Effect.catch(({ cause }) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.flatMap(fromThrown(question, cause, now), Effect.fail))
      )
    )
    const decoded = yield* Effect.mapError(Schema.decodeUnknownEffect(ResponseBody)(body), () =>
      unreadable({ provider, model }, typeof body === "string" ? excerpt(body, key) : "")
    )
    return yield* read(question, decoded)
  })

  return StructuredProvider.make({ provider, key, timeout, ask })
})

const unreadable = (call: { readonly provider: string; readonly model: string }, words: string): ModelError =>
  new ModelUnavailable({
    ...call,
    message: `the response for ${call.model} is not one of the Responses API`,
    excerpt: words
  })

/** The provider's name for a call: OpenAI's header, or Azure's. */
const requestIdOf = (headers: Headers | undefined): string | undefined =>
  headers?.get("x-request-id") ?? headers?.get("apim-request-id") ?? undefined

const imageUrl = (image: Image): string =>
  image._tag === "Url"
    ? image.url
    : `data:${image.mimeType};base64,${Buffer.from(
        image.bytes.buffer,
        image.bytes.byteOffset,
        image.bytes.byteLength
      ).toString("base64")}`
