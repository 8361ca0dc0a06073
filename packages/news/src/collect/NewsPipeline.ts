/**
 * NewsPipeline: one collection run: fetches a source's articles of one category, removes duplicates, adds pictures, stores the
 * articles and warms the cache. A job like any other: it resumes at the stage of a crash, operators see it, and past its
 * deadline it becomes a dead letter. The protocol alone; Collector has the handlers, NewsSchedules the start times.
 */
import { Pipeline, Stage } from "@eco2/core"
import { Schema } from "effect"
import { Article, Category, Source } from "../domain/Article.ts"
import { Validators } from "../source/NewsSource.ts"

/**
 * `category`: the category whose searches are sent; null: all queries of the source. `feed`: the feed that is read (RssSource's
 * feedId); without it all feeds, as in runs that older versions began.
 */
export const Run = Schema.Struct({
  source: Source,
  category: Schema.NullOr(Category),
  feed: Schema.optional(Schema.String)
})
export type Run = typeof Run.Type

/** Items that were no articles, by cause. */
const Causes = Schema.Record(Schema.String, Schema.Int)

/** `fetched`: usable items of all replies; `articles`: without duplicates, newest first, as many as one run may carry. */
export const Fetched = Schema.Struct({
  fetched: Schema.Int,
  rejected: Schema.Int,
  causes: Schema.optional(Causes),
  /** New articles that have no room in this run; the next one takes them. */
  left: Schema.optional(Schema.Int),
  /** Queries that were not sent or not answered, without a failure: `paused`, `gone`. */
  skipped: Schema.optional(Schema.Array(Schema.String)),
  articles: Schema.Array(Article),
  /** The versions of the feeds that were read; remembered once all their articles are stored. */
  versions: Schema.Array(Schema.Struct({ feed: Schema.String, version: Validators })),
  /** When the queries were sent, unix milliseconds. */
  began_ms: Schema.Int
})
/** The same articles with the pictures that were known or found in time. */
export const Enriched = Schema.Struct({ articles: Schema.Array(Article), with_images: Schema.Int })
/** `saved`: articles that were new. */
export const Stored = Schema.Struct({ saved: Schema.Int, refused: Schema.Int })
/** The result of a run. */
export const Collected = Schema.Struct({
  status: Schema.Literal("completed"),
  fetched: Schema.Int,
  unique: Schema.Int,
  saved: Schema.Int,
  cached: Schema.Int,
  with_images: Schema.Int,
  category: Schema.NullOr(Category),
  rejected: Schema.optional(Causes),
  left: Schema.optional(Schema.Int),
  refused: Schema.optional(Schema.Int),
  skipped: Schema.optional(Schema.Array(Schema.String))
})

export const fetchStage = Stage.make("fetch", {
  needs: { input: Run },
  output: Fetched,
  progress: 25,
  timeout: "1 minute",
  // a feed that trickles holds its own place for ten seconds, and no other's
  concurrency: 20
})
export const enrichStage = Stage.make("enrich", {
  needs: { fetch: Fetched },
  output: Enriched,
  progress: 50,
  timeout: "1 minute",
  concurrency: 10
})
export const storeStage = Stage.make("store", {
  needs: { fetch: Fetched, enrich: Enriched },
  output: Stored,
  progress: 75,
  timeout: "30 seconds",
  concurrency: 10
})
export const warmStage = Stage.make("warm", {
  needs: { input: Run, fetch: Fetched, enrich: Enriched, store: Stored },
  output: Collected,
  progress: 100,
  timeout: "30 seconds",
  concurrency: 10
})

export const NewsPipeline = Pipeline.make("news", { input: Run })
  .add(fetchStage) // query the source
  .add(enrichStage) // each article's picture, if found within two seconds
  .add(storeStage) // into Postgres
  .add(warmStage) // into the cache that answers readers
