/**
 * Chat: OpenAI's Chat Completions API, which most other servers speak, as a request and as what its responses say.
 * API reference: https://platform.openai.com/docs/api-reference/chat
 */
import { Option, Schema } from "effect"
import type { Question } from "../StructuredProvider.ts"
import { code, list, maybe, text } from "../Loose.ts"
import type { Effort } from "../ModelTable.ts"
import { tokensOf } from "../Usage.ts"
import type { Form } from "./Form.ts"
import { instructionsFor, pictureAt, schemaFor } from "./Message.ts"
import type { Dialect, Outcome } from "./Outcome.ts"

const path = "/chat/completions"

const body = (
  question: Question,
  form: Form,
  { detail, effort, maxOutput }: { readonly effort: Effort | null; readonly detail: string; readonly maxOutput: number }
): object => {
  const { hear, model, schema, turns } = question
  const format = {
    schema: { type: "json_schema", json_schema: { name: schema.name, strict: true, schema: schemaFor(schema) } },
    object: { type: "json_object" },
    none: undefined
  }[form.structured]
  return {
    model,
    messages: [
      { role: "system", content: instructionsFor(question, form) },
      ...turns.map(({ by, text }, at) => {
        const picture = pictureAt(question, at)
        return {
          role: by === "model" ? "assistant" : "user",
          // a plain text where there is no picture: some servers take no list
          content:
            picture === null
              ? text
              : [
                  { type: "text", text },
                  {
                    type: "image_url",
                    image_url: { url: picture, ...(form.without.has("detail") ? {} : { detail }) }
                  }
                ]
        }
      })
    ],
    ...(format === undefined ? {} : { response_format: format }),
    [form.bound]: maxOutput,
    ...(form.without.has("effort") || effort === null ? {} : { reasoning_effort: effort }),
    ...(form.without.has("cacheKey") ? {} : { prompt_cache_key: `eco2-${schema.name}` }),
    ...(hear === null
      ? {}
      : { stream: true, ...(form.without.has("usage") ? {} : { stream_options: { include_usage: true } }) })
  }
}

const Content = maybe(Schema.Union([Schema.String, list(Schema.Struct({ type: text, text, refusal: text }))]))
const Message = Schema.Struct({ content: Content, refusal: text })
const Choice = Schema.Struct({
  finish_reason: code,
  message: maybe(Message),
  delta: maybe(Message),
  text,
  error: Schema.optional(Schema.Unknown)
})
const Usage = Schema.Struct({
  prompt_tokens: Schema.optional(Schema.Unknown),
  prompt_tokens_details: maybe(Schema.Struct({ cached_tokens: Schema.optional(Schema.Unknown) })),
  completion_tokens: Schema.optional(Schema.Unknown),
  completion_tokens_details: maybe(Schema.Struct({ reasoning_tokens: Schema.optional(Schema.Unknown) }))
})
const Body = Schema.Struct({
  id: text,
  choices: maybe(list(Choice)),
  usage: maybe(Usage),
  error: Schema.optional(Schema.Unknown)
})
type Body = typeof Body.Type
const decode = Schema.decodeUnknownOption(Body)

/** A message's text and refusal, whether its content is a text or a list of parts. */
const saidBy = (message: typeof Message.Type | undefined): { readonly text: string; readonly refusal: string } => {
  const content = message?.content ?? ""
  const parts = typeof content === "string" ? [{ text: content, refusal: undefined }] : content
  return {
    text: parts.map((part) => part?.text ?? "").join(""),
    refusal: `${message?.refusal ?? ""}${parts.map((part) => part?.refusal ?? "").join("")}`
  }
}

const outcomeOf = (parts: {
  readonly requestId: string | undefined
  readonly text: string
  readonly refusal: string
  readonly finish: string
  readonly usage: Body["usage"]
}): Outcome => {
  const { finish, refusal, requestId, text, usage } = parts
  const tokens = tokensOf({
    input: usage?.prompt_tokens,
    cached: usage?.prompt_tokens_details?.cached_tokens,
    output: usage?.completion_tokens,
    reasoning: usage?.completion_tokens_details?.reasoning_tokens
  })
  if (refusal !== "" && text.trim() === "")
    return { _tag: "refused", reason: "refusal", words: refusal, tokens, requestId }
  if (finish === "content_filter" || finish === "safety") {
    return { _tag: "refused", reason: "filter", words: finish, tokens, requestId }
  }
  const isCut = finish === "length" || finish === "max_tokens" || finish === "model_length"
  return { _tag: "answered", text, tokens, requestId, incomplete: isCut ? finish : null }
}

const failure = (body: Body): Outcome | null => {
  const error =
    body.error ?? body.choices?.find((choice) => choice?.error !== undefined && choice.error !== null)?.error
  return error === undefined || error === null ? null : { _tag: "failed", error, requestId: body.id }
}

export const api: Dialect = {
  path,
  body,
  read: (value) => {
    const body = Option.getOrUndefined(decode(value))
    if (body === undefined) return { _tag: "foreign" }
    const failed = failure(body)
    if (failed !== null) return failed
    if (body.choices === undefined) return { _tag: "foreign" }
    const choice = body.choices[0]
    const { refusal, text } = saidBy(choice?.message)
    return outcomeOf({
      requestId: body.id,
      text,
      refusal,
      finish: String(choice?.finish_reason ?? ""),
      usage: body.usage
    })
  },
  gather: (hear) => {
    let requestId: string | undefined
    let said = ""
    let refused = ""
    let finish: string | null = null
    let usage: Body["usage"]
    let failed: Outcome | null = null
    return {
      event: (data) => {
        const chunk = Option.getOrUndefined(decode(data))
        if (chunk === undefined) return false
        requestId ??= chunk.id
        usage = chunk.usage ?? usage
        failed = failure(chunk)
        if (failed !== null) return true
        const choice = chunk.choices?.[0]
        const { refusal, text } = saidBy(choice?.delta ?? choice?.message)
        said += text
        refused += refusal
        if (text !== "") hear(text)
        if (choice?.finish_reason !== undefined) finish = String(choice.finish_reason)
        // the tokens come behind the end
        return false
      },
      outcome: () =>
        failed ??
        (finish === null
          ? { _tag: "unfinished", requestId }
          : outcomeOf({ requestId, text: said, refusal: refused, finish, usage }))
    }
  }
}
