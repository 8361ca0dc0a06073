/**
 * Responses: OpenAI's Responses API, as a request and as what its responses say.
 * API reference: https://platform.openai.com/docs/api-reference/responses
 */
import { Option, Schema } from "effect"
import type { Question } from "../StructuredProvider.ts"
import { list, maybe, text } from "../Loose.ts"
import type { Effort } from "../ModelTable.ts"
import { tokensOf } from "../Usage.ts"
import type { Form } from "./Form.ts"
import { instructionsFor, schemaFor, pictureAt } from "./Message.ts"
import type { Dialect, Outcome } from "./Outcome.ts"

const path = "/responses"

const body = (
  question: Question,
  form: Form,
  { detail, effort, maxOutput }: { readonly effort: Effort | null; readonly detail: string; readonly maxOutput: number }
): object => {
  const { hear, model, schema, turns } = question
  const format = {
    schema: { type: "json_schema", name: schema.name, strict: true, schema: schemaFor(schema) },
    object: { type: "json_object" },
    none: undefined
  }[form.structured]
  return {
    model,
    // photos of people's homes are not stored at the provider
    ...(form.without.has("store") ? {} : { store: false }),
    instructions: instructionsFor(question, form),
    input: turns.map(({ by, text }, at) => {
      const picture = pictureAt(question, at)
      return by === "model"
        ? { role: "assistant", content: text }
        : {
            role: "user",
            content: [
              { type: "input_text", text },
              ...(picture === null ? [] : [{ type: "input_image", detail, image_url: picture }])
            ]
          }
    }),
    ...(format === undefined ? {} : { text: { format } }),
    max_output_tokens: maxOutput,
    ...(form.without.has("effort") || effort === null ? {} : { reasoning: { effort } }),
    ...(form.without.has("cacheKey") ? {} : { prompt_cache_key: `eco2-${schema.name}` }),
    ...(hear === null ? {} : { stream: true })
  }
}

const Part = Schema.Struct({ type: text, text, refusal: text })
const Item = Schema.Struct({
  type: text,
  content: maybe(Schema.Union([Schema.String, list(Part)]))
})
const Body = Schema.Struct({
  id: text,
  status: text,
  error: Schema.optional(Schema.Unknown),
  incomplete_details: maybe(Schema.Struct({ reason: text })),
  output: maybe(list(Item)),
  usage: maybe(
    Schema.Struct({
      input_tokens: Schema.optional(Schema.Unknown),
      input_tokens_details: maybe(Schema.Struct({ cached_tokens: Schema.optional(Schema.Unknown) })),
      output_tokens: Schema.optional(Schema.Unknown),
      output_tokens_details: maybe(Schema.Struct({ reasoning_tokens: Schema.optional(Schema.Unknown) }))
    })
  )
})
const decode = Schema.decodeUnknownOption(Body)

const read = (value: unknown): Outcome => {
  const body = Option.getOrUndefined(decode(value))
  if (body === undefined) return { _tag: "foreign" }
  const { error, id: requestId, incomplete_details, output, status, usage } = body
  if (error !== undefined && error !== null) return { _tag: "failed", error, requestId }
  if (output === undefined && status === undefined) return { _tag: "foreign" }
  const tokens = tokensOf({
    input: usage?.input_tokens,
    cached: usage?.input_tokens_details?.cached_tokens,
    output: usage?.output_tokens,
    reasoning: usage?.output_tokens_details?.reasoning_tokens
  })
  const contents = (output ?? []).flatMap((item) =>
    item !== undefined && (item.type ?? "message") === "message" ? [item.content] : []
  )
  const parts = contents.flatMap((content) =>
    content === undefined ? [] : typeof content === "string" ? [{ text: content }] : content
  )
  const refusal = parts.find((part) => part !== undefined && "refusal" in part && (part.refusal ?? "") !== "")
  const said = parts.map((part) => part?.text ?? "").join("")
  if (refusal !== undefined && said.trim() === "" && "refusal" in refusal) {
    return { _tag: "refused", reason: "refusal", words: refusal.refusal ?? "", tokens, requestId }
  }
  const reason = incomplete_details?.reason
  if (reason === "content_filter") return { _tag: "refused", reason: "filter", words: reason, tokens, requestId }
  if (said === "" && /^(failed|cancelled|queued|in_progress)$/.test(status ?? ""))
    return { _tag: "unfinished", requestId }
  return {
    _tag: "answered",
    text: said,
    tokens,
    requestId,
    incomplete: status === "incomplete" ? (reason ?? "incomplete") : null
  }
}

const Event = Schema.Struct({
  type: text,
  delta: text,
  response: Schema.optional(Schema.Unknown),
  error: Schema.optional(Schema.Unknown)
})
const decodeEvent = Schema.decodeUnknownOption(Event)

export const api: Dialect = {
  path,
  body,
  read,
  gather: (hear) => {
    let said = ""
    let outcome: Outcome | null = null
    return {
      event: (data) => {
        const event = Option.getOrUndefined(decodeEvent(data))
        switch (event?.type) {
          case "response.output_text.delta":
            said += event.delta ?? ""
            hear(event.delta ?? "")
            return false
          case "response.completed":
          case "response.incomplete":
          case "response.failed":
          case "response.cancelled":
            outcome = read(event.response)
            // some servers leave the output out of the last event, as they have sent it
            if (outcome._tag === "answered" && outcome.text === "") outcome = { ...outcome, text: said }
            if (outcome._tag === "foreign") outcome = { _tag: "unfinished", requestId: undefined }
            return true
          case "error":
            outcome = { _tag: "failed", error: event.error ?? data, requestId: undefined }
            return true
          default:
            if (event?.error === undefined || event.error === null) return false
            outcome = { _tag: "failed", error: event.error, requestId: undefined }
            return true
        }
      },
      outcome: () => outcome ?? { _tag: "unfinished", requestId: undefined }
    }
  }
}
