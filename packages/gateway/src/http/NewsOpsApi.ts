/**
 * NewsOpsApi: the news collection as operators see it: sources with their last run, the latest runs, and what was rejected, by
 * cause. Beside OpsApi, with the same secret. The gateway knows no code of news: it reads the schedules and jobs of the pipeline
 * `news` in Redis, and of their results what stands here; a test holds this against the schema of news.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
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
  unique: Schema.Int,
  saved: Schema.Int,
  with_images: Schema.Int,
  rejected: Schema.optionalKey(Counts),
  left: Schema.optionalKey(Schema.Int),
  refused: Schema.optionalKey(Schema.Int),
  skipped: Schema.optionalKey(Schema.Array(Schema.String))
})

const Count = Schema.NullOr(Schema.Int)
export const NewsRun = Schema.Struct({
  job_id: Schema.String,
  schedule: Schema.NullOr(Schema.String).annotate({ description: "Null: no schedule asks for the same today" }),
  state: Schema.String,
  stage: Schema.String,
  created: Schema.Number,
  ended: Schema.NullOr(Schema.Number),
  cause: Schema.NullOr(Schema.String).annotate({ description: "Why it failed" }),
  source: Schema.NullOr(Schema.String),
  category: Schema.NullOr(Schema.String),
  feed: Schema.NullOr(Schema.String),
  fetched: Count.annotate({
    description: "Usable items of all replies; this and the others are null unless it is done"
  }),
  unique: Count,
  saved: Count.annotate({ description: "Articles that were new" }),
  with_images: Count,
  left: Count.annotate({ description: "New articles without room; the next run takes them" }),
  refused: Count.annotate({ description: "Articles that the database refused" }),
  rejected: Counts.annotate({ description: "Items that were no articles, by cause" }),
  skipped: Schema.Array(Schema.String).annotate({ description: "Queries not sent: `paused`, `gone`" })
})
export const NewsSource = Schema.Struct({
  schedule: Schema.String,
  timing: Schema.String,
  paused: Schema.Boolean,
  declared: Schema.Boolean.annotate({ description: "Whether a live process declares it; otherwise it does not run" }),
  next: Schema.NullOr(Schema.Number),
  last_run: Schema.NullOr(Schema.Number),
  fires: Schema.Int,
  skips: Schema.Int.annotate({ description: "Slots skipped because the last run was open" }),
  last: Schema.NullOr(NewsRun).annotate({ description: "The last run, while its job is kept" })
})
const Rejected = Schema.Struct({ source: Schema.String, cause: Schema.String, items: Schema.Int, runs: Schema.Int })

export class NewsOpsGroup extends HttpApiGroup.make("news")
  .add(
    HttpApiEndpoint.get("show", `${base}/news`, {
      query: { limit: Limit },
      success: Schema.Struct({
        sources: Schema.Array(NewsSource),
        runs: Schema.Array(NewsRun).annotate({ description: "Ended ones that are kept, the last that ended first" }),
        rejected: Schema.Array(Rejected).annotate({
          description: "Of these runs, by source and cause, the most first"
        }),
        complete: Schema.Boolean.annotate({ description: "False: not all jobs were looked at; there may be more runs" })
      }),
      error: refused
    }).annotate(OpenApi.Summary, "Sources of news, their runs, and what was rejected by cause")
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "News", description: "For operators: needs X-Internal-Secret." })) {}
