/**
 * NewsOpsApi: the news collection as operators see it: sources with their last run, the latest runs, and what was rejected, by
 * cause. Beside OpsApi, with the same secret. The gateway knows no code of news: it reads the schedules and jobs of the pipeline
 * `news` in Redis, and of their results what stands here; a test holds this against the schema of news.
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { InternalSecret } from "../auth/InternalSecret.ts"
import { KnownQuery } from "./KnownQuery.ts"
import { base, Limit, refused } from "./OpsApi.ts"

const Counts = Schema.Record(Schema.String, Schema.Int)

/** What a run was asked for. */
export const RunInput = Schema.Struct({
  source: Schema.String,
  category: Schema.NullOr(Schema.String),
  feed: Schema.optionalKey(Schema.String)
})
/** What a run came to; runs of older versions tell less. */
export const RunResult = Schema.Struct({
  fetched: Schema.Int,
  saved: Schema.Int,
  rejected: Schema.optionalKey(Counts),
  left: Schema.optionalKey(Schema.Int),
  refused: Schema.optionalKey(Schema.Int),
  skipped: Schema.optionalKey(Schema.Array(Schema.String))
})

const Count = Schema.NullOr(Schema.Int)
/** The counts are null unless the run is done. */
export const NewsRun = Schema.Struct({
  job_id: Schema.String,
  /** Null: no schedule asks for the same today. */
  schedule: Schema.NullOr(Schema.String),
  state: Schema.String,
  created: Schema.Finite,
  ended: Schema.NullOr(Schema.Finite),
  cause: Schema.NullOr(Schema.String),
  source: Schema.NullOr(Schema.String),
  category: Schema.NullOr(Schema.String),
  /** Usable items of all replies. */
  fetched: Count,
  /** Articles that were new. */
  saved: Count,
  /** New articles without room; the next run takes them. */
  left: Count,
  /** Articles that the database refused. */
  refused: Count,
  /** Items that were no articles, by cause. */
  rejected: Counts,
  /** Queries that were not sent: `paused`, `gone`. */
  skipped: Schema.Array(Schema.String)
})
/** Of a source's last run. */
const Last = Schema.Struct({
  job_id: Schema.String,
  state: Schema.String,
  cause: Schema.NullOr(Schema.String),
  fetched: Count,
  saved: Count,
  skipped: Schema.Array(Schema.String)
})
export const NewsSource = Schema.Struct({
  schedule: Schema.String,
  timing: Schema.String,
  paused: Schema.Boolean,
  declared: Schema.Boolean,
  next: Schema.NullOr(Schema.Finite),
  last_run: Schema.NullOr(Schema.Finite),
  skips: Schema.Int,
  /** While its job is kept. */
  last: Schema.NullOr(Last)
})
const Rejected = Schema.Struct({ source: Schema.String, cause: Schema.String, items: Schema.Int, runs: Schema.Int })

export class NewsOpsGroup extends HttpApiGroup.make("news")
  .add(
    HttpApiEndpoint.get("show", `${base}/news`, {
      query: { limit: Limit },
      success: Schema.Struct({
        sources: Schema.Array(NewsSource),
        runs: Schema.Array(NewsRun),
        rejected: Schema.Array(Rejected),
        /** False: not all jobs were looked at; there may be more runs. */
        complete: Schema.Boolean
      }),
      error: refused
    }).annotate(OpenApi.Summary, "Sources of news, their runs, and what was rejected by cause")
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "News", description: "For operators: needs X-Internal-Secret." })) {}
