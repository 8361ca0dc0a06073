/** RateOpsApi: how fast stages have worked lately. Beside OpsApi, with the same secret. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base, refused } from "./OpsApi.ts"

const Percentiles = Schema.NullOr(Schema.Struct({ p50: Schema.Finite, p95: Schema.Finite }))
export const StageRate = Schema.Struct({
  mailbox: Schema.String,
  /** Jobs that passed the stage. */
  done_a_minute: Schema.Finite,
  failed_a_minute: Schema.Finite,
  cancelled_a_minute: Schema.Finite,
  /** Jobs that the percentiles are of. */
  sampled: Schema.Int,
  /** From the commit of the stage before to the begin of the attempt that was committed; null: none was sampled. */
  wait_ms: Percentiles,
  /** How long that attempt worked. */
  run_ms: Percentiles
})
export const RateWindow = Schema.Struct({
  window_ms: Schema.Int,
  covered_ms: Schema.Int.annotate({ description: "Less where ended jobs are no longer kept, or are too many" }),
  /** Jobs that ended. */
  ended: Schema.Int,
  stages: Schema.Array(StageRate)
})

export class RateOpsGroup extends HttpApiGroup.make("rates")
  .add(
    HttpApiEndpoint.get("list", `${base}/rates`, { success: Schema.Array(RateWindow), error: refused }).annotate(
      OpenApi.Summary,
      "Rates and percentiles of stages over 5 minutes and an hour, of jobs that ended; renewed every ten seconds"
    )
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "Rates", description: "For operators: needs X-Internal-Secret." })) {}
