/**
 * NewsPipeline: one collection run: what a source has for one category, each article once, with its picture, stored and
 * shown. A job as any other: resumed at the stage a crash left it in, seen by operators, abandoned into dead letters when it
 * is older than its deadline. The protocol alone; what the stages do: Collector. When runs begin: NewsSchedules.
 */
import { Pipeline, Stage } from "@eco2/core"
import { Schema } from "effect"
import { Article, Category, Source } from "../domain/Article.ts"
import { Validators } from "../source/NewsSource.ts"

/** `category`: whose words are searched for; null asks all there is to ask, as of feeds. */
export const Run = Schema.Struct({ source: Source, category: Schema.NullOr(Category) })
export type Run = typeof Run.Type

/** `fetched`: usable items of all replies; `articles`: each once, the newest first, as many as one run may carry. */
export const Fetched = Schema.Struct({
  fetched: Schema.Int,
  rejected: Schema.Int,
  articles: Schema.Array(Article),
  /** What feeds said of the version that was read; remembered once it is stored. */
  versions: Schema.Array(Schema.Struct({ feed: Schema.String, version: Validators })),
  /** When the source was asked, unix milliseconds. */
  began_ms: Schema.Int
})
/** The same articles with the pictures that were known or found in time. */
export const Enriched = Schema.Struct({ articles: Schema.Array(Article), with_images: Schema.Int })
/** `saved`: articles that were not there before. */
export const Stored = Schema.Struct({ saved: Schema.Int, refused: Schema.Int })
/** What a run came to. */
export const Collected = Schema.Struct({
  status: Schema.Literal("completed"),
  fetched: Schema.Int,
  unique: Schema.Int,
  saved: Schema.Int,
  cached: Schema.Int,
  with_images: Schema.Int,
  category: Schema.NullOr(Category)
})

export const fetchStage = Stage.make("fetch", {
  needs: { input: Run },
  output: Fetched,
  progress: 25,
  timeout: "1 minute",
  concurrency: 10
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
  .add(fetchStage) // ask the source
  .add(enrichStage) // each article's picture, where it is found in two seconds
  .add(storeStage) // into Postgres
  .add(warmStage) // into the cache readers are answered from
