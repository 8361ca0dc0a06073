/**
 * ArticleKeyFill: gives articles that were stored before the article keys existed theirs, so that they are found again by them
 * (D1, D2 of ArticleKeys). The keys are made by code, so no SQL file can; a partial index finds the rows that lack them.
 * Two such rows may be one page, or have one title on one day: the older one gets the key. The other is no longer looked for by
 * it, and has a mark in its place, which is no key of any page. Neither row is removed: readers have both.
 * May run in many processes at once, and again after any failure. For ArticleStore, and for what prepares the database.
 */
import { Postgres, PostgresStatement } from "@eco2/core/postgres"
import type { PostgresError } from "@eco2/core/postgres"
import { Effect, Schedule, Schema } from "effect"
import { storedKeys } from "../domain/ArticleKeys.ts"

/** Rows in one statement. */
const batchSize = 500

const unkeyedStatement = PostgresStatement.make({
  name: "news.unkeyed",
  text: `SELECT id, url, title, source_name FROM info.news_articles WHERE page_key IS NULL ORDER BY id LIMIT ${batchSize}`,
  row: Schema.Struct({
    id: Schema.String,
    url: Schema.String,
    title: Schema.String,
    source_name: Schema.NullOr(Schema.String)
  })
})
const day = (column: string) => `((${column} AT TIME ZONE 'UTC')::date)`
const fillStatement = PostgresStatement.make({
  name: "news.fill-keys",
  // locked in the order of their ids, so that two processes do not wait for each other
  text: `WITH locked AS (
      SELECT given.*, held.published_at
      FROM jsonb_to_recordset($1::text::jsonb) AS given(id text, page_key text, title_key text, title_body_key text)
      JOIN info.news_articles held ON held.id = given.id AND held.page_key IS NULL
      ORDER BY held.id FOR UPDATE OF held
    ), placed AS (
      SELECT *,
        row_number() OVER (PARTITION BY page_key ORDER BY published_at, id) = 1 AS first_page,
        row_number() OVER (PARTITION BY title_key, ${day("published_at")} ORDER BY published_at, id) = 1 AS first_title
      FROM locked
    )
    UPDATE info.news_articles AS held SET
      page_key = CASE WHEN first_page AND NOT EXISTS (
          SELECT 1 FROM info.news_articles other WHERE other.page_key = placed.page_key
        ) THEN placed.page_key ELSE '-' || left(md5(placed.id), 31) END,
      title_key = CASE WHEN first_title AND NOT EXISTS (
          SELECT 1 FROM info.news_articles other
          WHERE other.title_key = placed.title_key AND ${day("other.published_at")} = ${day("placed.published_at")}
        ) THEN placed.title_key END,
      title_body_key = placed.title_body_key
    FROM placed WHERE held.id = placed.id AND held.page_key IS NULL
    RETURNING held.id`,
  row: Schema.Struct({ id: Schema.String })
})

/** Another process has stored an article with one of the keys meanwhile, or waited for one of the rows; the next try finds it. */
const isTakenMeanwhile = (error: PostgresError.PostgresError) =>
  error._tag === "PostgresRefused" &&
  (error.constraint === "news_articles_page" || error.constraint === "news_articles_title" || error.code === "40P01")
const again = Schedule.spaced("20 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))

/** Fills in the keys of all articles that lack them; returns how many this call has. */
export const fillAll: Effect.Effect<number, PostgresError.PostgresError, Postgres.Postgres> = Effect.gen(function* () {
  const postgres = yield* Postgres.Postgres
  const batch = Effect.gen(function* () {
    const rows = yield* postgres.run(unkeyedStatement, [])
    if (rows.length === 0) return null
    const keys = rows.map((row) => ({ id: row.id, ...storedKeys(row) }))
    return (yield* postgres.run(fillStatement, [JSON.stringify(keys)])).length
  }).pipe(Effect.retry({ schedule: again, while: isTakenMeanwhile }))
  let filled = 0
  for (let more = yield* batch; more !== null; more = yield* batch) filled += more
  if (filled > 0) {
    yield* Effect.logInfo("articles of before have keys now").pipe(Effect.annotateLogs({ articles: filled }))
  }
  return filled
})
