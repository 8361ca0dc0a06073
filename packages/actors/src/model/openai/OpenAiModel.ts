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
import {
  ImageUnusable,
  ModelOutputInvalid,
  ModelRateLimited,
  ModelRefused,
  ModelTimeout,
  ModelUnauthorized,
  ModelUnavailable
} from "../ModelError.ts"
import type { ModelError } from "../ModelError.ts"
import type { ModelProvider } from "../ModelProvider.ts"
import { fetchOnce } from "../FetchOnce.ts"
import * as StructuredProvider from "../StructuredProvider.ts"
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
  usage: Schema.optional(Schema.NullOr(Schema.Struct({ input_tokens: Schema.Int, output_tokens: Schema.Int })))
})
type ResponseBody = typeof ResponseBody.Type

/** Error codes that mean that the API cannot use the image. */
const unusableImage =
  /^(invalid_image(_format|_url|_mode)?|invalid_base64_image|image_(too_large|too_small|parse_error|file_too_large|file_not_found)|unsupported_image(_media_type)?|empty_image_file|failed_to_download_image)$/

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
  ): ModelError => {
    const call = { provider, model: question.model }
    const code = typeof error.code === "string" ? error.code : ""
    if (status === 429 && code === "insufficient_quota") {
      return new ModelUnauthorized({ ...call, message: "the account at openai has no credit left (HTTP 429)" })
    }
    if (status === 400 && unusableImage.test(code)) {
      return new ImageUnusable({ ...call, message: `openai cannot read the picture (${code})` })
    }
    return HttpFailure.fromStatus({
      ...call,
      status,
      retryAfterMillis: RetryAfter.fromHeaders(error.headers, nowMillis),
      hasImage: question.image !== null,
      excerpt: excerpt(error.message, key)
    })
  }

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

  const read = (model: string, body: ResponseBody): Effect.Effect<StructuredProvider.Reply, ModelError> => {
    const call = { provider, model }
    if (body.error) return Effect.fail(fromBodyError(call, body.error, key))
    const parts = body.output.filter(({ type }) => type === "message").flatMap(({ content }) => content ?? [])
    const refusal = parts.find(({ type }) => type === "refusal")
    if (refusal !== undefined) {
      const words = excerpt(refusal.refusal ?? "", key)
      return Effect.fail(new ModelRefused({ ...call, message: `${model} refuses to answer`, excerpt: words }))
    }
    const text = parts
      .filter(({ type }) => type === "output_text")
      .map((part) => part.text ?? "")
      .join("")
    switch (body.status ?? "completed") {
      case "completed":
        return Effect.succeed({
          text,
          inputTokens: body.usage?.input_tokens ?? 0,
          outputTokens: body.usage?.output_tokens ?? 0
        })
      case "incomplete":
        return Effect.fail(
          body.incomplete_details?.reason === "content_filter"
            ? new ModelRefused({ ...call, message: `a content filter stopped ${model}`, excerpt: "" })
            : new ModelOutputInvalid({
                ...call,
                message: `the output of ${model} was cut off`,
                excerpt: excerpt(text, key)
              })
        )
      default:
        return Effect.fail(new ModelUnavailable({ ...call, message: `openai did not finish the call to ${model}` }))
    }
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
            input: [
              {
                role: "user",
                content: [
                  { type: "input_text", text: question.material },
                  ...(question.image === null
                    ? []
                    : [{ type: "input_image" as const, detail: "auto" as const, image_url: imageUrl(question.image) }])
                ]
              }
            ],
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
    return yield* read(model, decoded)
  })

  return StructuredProvider.make({ provider, key: apiKey, timeout, ask })
})

const unreadable = (call: { readonly provider: string; readonly model: string }, words: string): ModelError =>
  new ModelOutputInvalid({
    ...call,
    message: `the response for ${call.model} is not one of the Responses API`,
    excerpt: words
  })

/** A response of status 200 that reports a failure inside. */
const fromBodyError = (
  call: { readonly provider: string; readonly model: string },
  error: { readonly code: string; readonly message: string },
  key: string
): ModelError => {
  if (error.code === "rate_limit_exceeded") {
    return new ModelRateLimited({ ...call, message: `openai limits calls to ${call.model}`, retryAfterMillis: null })
  }
  if (error.code === "server_error" || error.code.endsWith("_timeout")) {
    return new ModelUnavailable({ ...call, message: `openai failed to serve ${call.model}` })
  }
  return unusableImage.test(error.code)
    ? new ImageUnusable({ ...call, message: `openai cannot read the picture (${error.code})` })
    : new ModelRefused({
        ...call,
        message: `openai refuses the request to ${call.model}`,
        excerpt: excerpt(error.message, key)
      })
}

const imageUrl = (image: Image): string =>
  image._tag === "Url"
    ? image.url
    : `data:${image.mimeType};base64,${Buffer.from(
        image.bytes.buffer,
        image.bytes.byteOffset,
        image.bytes.byteLength
      ).toString("base64")}`
