/** LimitOpsApi: the operators' calls on fleet-wide limits: list them, end a pause. Beside OpsApi, with the same secret. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base, missing, refused } from "./OpsApi.ts"

const Use = Schema.NullOr(Schema.Struct({ most: Schema.Int, used: Schema.Int }))

export const LimitState = Schema.Struct({
  name: Schema.String,
  paused_ms: Schema.Int.annotate({ description: "How long the pause still lasts; 0: not paused" }),
  waiting: Schema.Int.annotate({ description: "Calls that wait in a running stage" }),
  away: Schema.Int.annotate({ description: "Jobs that wait on a timer and keep their place" }),
  window_ms: Schema.Int.annotate({ description: "0: nothing was granted lately, so the limit is unknown" }),
  requests: Use,
  units: Use,
  permits: Use
})
const Waiter = Schema.Struct({
  job_id: Schema.NullOr(Schema.String),
  stage: Schema.NullOr(Schema.String),
  since: Schema.NullOr(Schema.Number).annotate({ description: "When it first asked" }),
  due: Schema.NullOr(Schema.Number).annotate({ description: "Null: it waits in a running stage" })
})
const Limits = Schema.Struct({
  limits: Schema.Array(LimitState),
  complete: Schema.Boolean.annotate({ description: "False: there are more than a thousand" })
})

export class LimitOpsGroup extends HttpApiGroup.make("limits")
  .add(
    HttpApiEndpoint.get("list", `${base}/limits`, { success: Limits, error: refused }).annotate(
      OpenApi.Summary,
      "Limits in use or paused, and how much is used"
    ),
    HttpApiEndpoint.get("waiters", `${base}/limits/:limit/waiters`, {
      params: { limit: Schema.String },
      success: Schema.Array(Waiter),
      error: missing
    }).annotate(OpenApi.Summary, "Who waits for a limit, in order; at most 400"),
    HttpApiEndpoint.post("resume", `${base}/limits/:limit/resume`, {
      params: { limit: Schema.String },
      success: Schema.Struct({ outcome: Schema.String }),
      error: missing
    }).annotate(OpenApi.Summary, "Ends a pause; write a `/` in the name as %2F")
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "Limits", description: "For operators: needs X-Internal-Secret." })) {}
