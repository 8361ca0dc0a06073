/** BreakerOpsApi: the operators' calls on circuit breakers: list, open, close. Beside OpsApi, with the same secret. */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base, missing, refused } from "./OpsApi.ts"

export const BreakerState = Schema.Struct({
  name: Schema.String,
  state: Schema.Literals(["closed", "open", "half-open"]),
  left_ms: Schema.Number.annotate({ description: "Until a call may probe" }),
  openings: Schema.Int.annotate({ description: "In a row" }),
  failures: Schema.Int.annotate({ description: "Those that are remembered" }),
  by_operator: Schema.Boolean
})
const one = `${base}/breakers/:breaker` as const
const Name = { breaker: Schema.String }
const Outcome = Schema.Struct({ outcome: Schema.String })

/** How long an operator opens a breaker when the call does not say. */
export const usualOpenMillis = 600_000
const mostOpenMillis = 86_400_000
const Millis = Schema.optionalKey(
  Schema.String.check(Schema.isPattern(/^[1-9]\d{0,7}$/, { expected: "milliseconds, at most a day" })).pipe(
    Schema.decodeTo(Schema.Int.check(Schema.isLessThanOrEqualTo(mostOpenMillis)), SchemaTransformation.numberFromString)
  )
).annotate({ description: `How long, in milliseconds: ${usualOpenMillis} by default, at most ${mostOpenMillis}` })

export class BreakerOpsGroup extends HttpApiGroup.make("breakers")
  .add(
    HttpApiEndpoint.get("list", `${base}/breakers`, { success: Schema.Array(BreakerState), error: refused }).annotate(
      OpenApi.Summary,
      "Breakers that processes use"
    ),
    HttpApiEndpoint.post("open", `${one}/open`, {
      params: Name,
      query: { for_ms: Millis },
      success: Outcome,
      error: missing
    }).annotate(OpenApi.Summary, "No calls for a while, then one probes; write a `/` in the name as %2F"),
    HttpApiEndpoint.post("close", `${one}/close`, { params: Name, success: Outcome, error: missing }).annotate(
      OpenApi.Summary,
      "Calls pass at once; what failed before is forgotten"
    )
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "Breakers", description: "For operators: needs X-Internal-Secret." })) {}
