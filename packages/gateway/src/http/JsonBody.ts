/** JsonBody: parses a request body (read by RequestBody) as JSON and decodes it with a schema. */
import { Refusal } from "@eco2/core/http"
import { Effect, Schema, SchemaIssue } from "effect"

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()
const nameOf = (step: PropertyKey | { readonly key: PropertyKey }) => String(typeof step === "object" ? step.key : step)

/** 400 for text that is not JSON. */
export const parse = (text: string) =>
  Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: () => Refusal.make(400, "INVALID_JSON", "the body is not JSON")
  })

/** 400 also for JSON that is not an object. */
export const parseObject = (text: string) =>
  Effect.filterOrFail(
    parse(text),
    (body): body is { readonly [field: string]: unknown } =>
      typeof body === "object" && body !== null && !Array.isArray(body),
    () => Refusal.make(400, "INVALID_REQUEST", "the body must be a JSON object")
  )

/** The message for a wrong field, and its `type` on the wire. */
export type Words = Readonly<Record<string, { readonly msg: string; readonly type: string }>>

/** A decoder that answers 422 with every wrong field; with the schema's own message if `words` has none. */
export const decoder = <A>(
  schema: Schema.Codec<A, unknown>,
  options: { readonly words?: Words; readonly onExcessProperty?: "ignore" | "error" }
) => {
  const decode = Schema.decodeUnknownEffect(schema, { ...options, errors: "all" })
  return (body: unknown) =>
    Effect.mapError(decode(body), ({ issue }) => {
      const issues = issuesOf(issue).issues.map(({ message, path = [] }) => {
        const names = path.map(nameOf)
        return {
          loc: ["body", ...names],
          ...(options.words?.[names[0] ?? ""] ?? { msg: message, type: "value_error" })
        }
      })
      return Refusal.make(422, "VALIDATION_ERROR", issues)
    })
}
