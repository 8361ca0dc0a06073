/**
 * KnownQuery: refuses a call whose query has a name that the call does not know. A misspelt filter would be no filter:
 * `redrive?cuase=X` would redrive every letter. For the operators' calls, inside InternalSecret; who submits and watches scans may
 * send more than a call knows, as older clients and proxies do, and nothing is changed by it.
 */
import { Refusal } from "@eco2/core/refusal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SchemaAST from "effect/SchemaAST"
import type * as Schema from "effect/Schema"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"

export class KnownQuery extends HttpApiMiddleware.Service<KnownQuery>()("@eco2/gateway/http/KnownQuery", {
  error: Refusal.declared(400, "INVALID_REQUEST")
}) {}

/** The names in the schema of a call's query. */
const namesIn = (query: Schema.Top | undefined): ReadonlyArray<string> =>
  query !== undefined && SchemaAST.isObjects(query.ast)
    ? query.ast.propertySignatures.map(({ name }) => String(name))
    : []

/** A name that may be repeated in an answer. */
const plain = /^[\w.-]{1,40}$/

/** The refusal of a query; null if its names are known. */
const refusalOf = (url: string, known: ReadonlyArray<string>) => {
  const mark = url.indexOf("?")
  const given = mark < 0 ? [] : [...new URLSearchParams(url.slice(mark + 1)).keys()]
  const unknown = given.find((name) => !known.includes(name))
  if (unknown === undefined) return null
  const allowed = known.length === 0 ? "this call has no query" : `known are ${known.join(", ")}`
  const which = plain.test(unknown) ? `query ${unknown}` : "query"
  return Refusal.make(400, "INVALID_REQUEST", `${which}: unknown name; ${allowed}`)
}

export const layer: Layer.Layer<KnownQuery> = Layer.succeed(KnownQuery, (call, { endpoint }) =>
  Effect.gen(function* () {
    const { url } = yield* HttpServerRequest.HttpServerRequest
    const refusal = refusalOf(url, namesIn(endpoint.query))
    return yield* refusal === null ? call : Effect.fail(refusal)
  })
)
