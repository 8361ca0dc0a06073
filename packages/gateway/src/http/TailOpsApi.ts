/** TailOpsApi: the operators' live tail of all jobs' events. Beside OpsApi, with the same secret. */
import { Job } from "@eco2/core/protocol"
import { Refusal } from "@eco2/core/refusal"
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base } from "./OpsApi.ts"

const stream = Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/event-stream" })).annotate({
  description:
    "`event: event` with `{job_id, pipeline, owner, seq, ts, stage, status, progress}`, from now on; `gap` where some may be missing; `keepalive` every 15 seconds. What stages found is not told."
})

export class TailOpsGroup extends HttpApiGroup.make("tail")
  .add(
    HttpApiEndpoint.get("events", `${base}/tail`, {
      query: {
        pipeline: Schema.optionalKey(Schema.String),
        owner: Schema.optionalKey(Schema.String),
        job_id: Schema.optionalKey(Job.JobId)
      },
      success: stream,
      error: [Refusal.declared(503, "UNAVAILABLE", "TOO_MANY_VIEWERS")]
    }).annotate(OpenApi.Summary, "The events of all jobs as they come")
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "Tail", description: "For operators: needs X-Internal-Secret." })) {}
