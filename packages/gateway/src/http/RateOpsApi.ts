/** RateOpsApi: how fast stages have worked lately. Beside OpsApi, with the same secret. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base, refused } from "./OpsApi.ts"

const Percentiles = Schema.NullOr(Schema.Struct({ p50: Schema.Number, p95: Schema.Number }))
export const StageRate = Schema.Struct({
  mailbox: Schema.String,
  done_a_minute: Schema.Number.annotate({ description: "Jobs that passed the stage" }),
  failed_a_minute: Schema.Number,
  cancelled_a_minute: Schema.Number,
  sampled: Schema.Int.annotate({ description: "Jobs that the percentiles are of" }),
  wait_ms: Percentiles.annotate({
    description:
      "From the commit of the stage before to the begin of the attempt that was committed; null: none was sampled"
  }),
  run_ms: Percentiles.annotate({ description: "How long the attempt that was committed worked" })
})
export const RateWindow = Schema.Struct({
  window_ms: Schema.Int,
  covered_ms: Schema.Int.annotate({
    description: "How much of it was looked at: less where ended jobs are no longer kept (JOB_TTL), or are too many"
  }),
  ended: Schema.Int.annotate({ description: "Jobs that ended" }),
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
