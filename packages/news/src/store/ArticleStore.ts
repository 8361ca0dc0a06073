/**
 * ArticleStore: all articles, in Postgres. Saving is idempotent and may run in many processes at once; an article is stored
 * once, whatever the source, address and run that found it (D1, D2 of ArticleKeys):
 *   - the id exists: its texts are updated and missing fields filled in; its place in the lists (published_at, id) and its
 *     category stay as first stored (N1)
 *   - another id with the same page, or the same title within 20 hours, exists: the first id stays, because clients and caches
 *     know it; missing fields are filled in
 *   - two processes store it at once: a unique index refuses one of them, which looks again and finds it
 *   - a deleted article stays deleted
 * See also: ArticleCache (the newest articles, in Redis), ArticleReading (chooses between the two).
 */
import { Migrations, Postgres, PostgresError, PostgresStatement } from "@eco2/core/postgres"
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import type { Article } from "../domain/Article.ts"
import { pageKey, storedKeys } from "../domain/ArticleKeys.ts"
import { deduplicate } from "../domain/Deduplication.ts"
import { fillAll } from "./ArticleKeyFill.ts"
import { listLength, lists, newestFirst, pageOf } from "./ArticlePage.ts"
import type { List, Loaded, Page, Query } from "./ArticlePage.ts"
import { ArticleRow, columns, toArticle } from "./ArticleRow.ts"

/** The migrations that create this package's tables. */
export const migrations = Migrations.read("news", new URL("../migrations/", import.meta.url))

/** The outcome of saving a batch. */
export interface Saved {
  /** Articles that were new. */
  readonly saved: number
  /** Articles that existed and were changed. */
  readonly changed: number
  /** Articles that Postgres cannot store (too long for an index, bytes that no text has). The others are stored. */
  readonly refused: ReadonlyArray<{ readonly id: string; readonly reason: string }>
}

/** The newest articles of every list, read in one statement; `asOf`: Postgres's clock, unix milliseconds. */
export interface Snapshot {
  readonly asOf: number
  readonly lists: ReadonlyMap<List, Loaded>
}

export class ArticleStore extends Context.Service<
  ArticleStore,
  {
    /** Stores any number of articles, duplicates included. If it fails, none or some are stored; retrying is safe. */
    readonly save: (articles: ReadonlyArray<Article>) => Effect.Effect<Saved, PostgresError.PostgresError>
    /** The ids of those articles that are not stored yet, neither under their own nor under another id. */
    readonly unknown: (
      articles: ReadonlyArray<Article>
    ) => Effect.Effect<ReadonlySet<string>, PostgresError.PostgresError>
    /** The pictures of articles, by the URLs of their pages; articles without one are left out. */
    readonly pictures: (
      urls: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyMap<string, string>, PostgresError.PostgresError>
    /** Hides an article from readers; false if there is none. Cached lists contain it until they are next written. */
    readonly remove: (id: string) => Effect.Effect<boolean, PostgresError.PostgresError>
    readonly page: (query: Query) => Effect.Effect<Page, PostgresError.PostgresError>
    /** The content of the cache. */
    readonly newest: Effect.Effect<Snapshot, PostgresError.PostgresError>
  }
>()("@eco2/news/store/ArticleStore") {}

const table = "info.news_articles"
/** D2's time, in either direction, or the same day of UTC, for which the index of titles stands. */
const within = (column: string) =>
  `${column} BETWEEN given.published_at - interval '1 day' AND given.published_at + interval '1 day'
    AND (${column} BETWEEN given.published_at - interval '20 hours' AND given.published_at + interval '20 hours'
      OR (${column} AT TIME ZONE 'UTC')::date = (given.published_at AT TIME ZONE 'UTC')::date)`
const given = `jsonb_to_recordset($1::text::jsonb) AS given(place int, id text, url text, title text, snippet text, source text,
  source_name text, source_icon_url text, thumbnail_url text, video_url text, category text, keywords text[], ai_tag text,
  published_at timestamptz, page_key text, title_key text, title_body_key text)`
/** The row that an article is already stored as, by the surest match first: its address, its page, its id, its title. */
const known = `SELECT id, title, snippet, keywords FROM (
    SELECT *, 0 AS rank FROM ${table} WHERE url = given.url
    UNION ALL SELECT *, 1 FROM ${table} WHERE page_key = given.page_key
    UNION ALL SELECT *, 2 FROM ${table} WHERE id = given.id
    UNION ALL SELECT *, 3 FROM ${table}
      WHERE title_key IN (given.title_key, given.title_body_key) AND ${within("published_at")}
    UNION ALL SELECT *, 4 FROM ${table} WHERE title_body_key = given.title_key AND ${within("published_at")}
  ) AS found ORDER BY rank, id LIMIT 1`
const filled = ["source_name", "source_icon_url", "thumbnail_url", "video_url", "ai_tag"]
const updated = [
  // `placed` decides them, where the row is found
  ...["title", "snippet", "keywords"].map((column) => ({ column, value: `EXCLUDED.${column}` })),
  ...filled.map((column) => ({ column, value: `COALESCE(held.${column}, EXCLUDED.${column})` }))
]
const saveStatement = PostgresStatement.make({
  name: "news.save",
  // one row for each article: one statement cannot update a row twice. In page order, so that two saves do not deadlock
  text: `WITH placed AS (
      SELECT DISTINCT ON (COALESCE(held.id, given.id)) COALESCE(held.id, given.id) AS stored_id, given.*,
        CASE WHEN held.id <> given.id THEN held.title ELSE given.title END AS kept_title,
        CASE WHEN held.id <> given.id AND held.snippet <> '' THEN held.snippet ELSE given.snippet END AS kept_snippet,
        CASE WHEN held.id <> given.id AND held.keywords <> '{}' THEN held.keywords ELSE given.keywords END AS kept_keywords
      FROM ${given} LEFT JOIN LATERAL (${known}) AS held ON true
      ORDER BY COALESCE(held.id, given.id), held.id IS DISTINCT FROM given.id, place
    )
    INSERT INTO ${table} AS held (id, url, title, snippet, source, source_name, source_icon_url, thumbnail_url, video_url,
      category, keywords, ai_tag, published_at, page_key, title_key, title_body_key)
    SELECT stored_id, url, kept_title, kept_snippet, source, source_name, source_icon_url, thumbnail_url, video_url,
      category, kept_keywords, ai_tag, published_at, page_key, title_key, title_body_key
    FROM placed ORDER BY page_key
    ON CONFLICT (id) DO UPDATE
      SET ${updated.map(({ column, value }) => `${column} = ${value}`).join(", ")}, updated_at = now()
      WHERE (${updated.map(({ column }) => `held.${column}`).join(", ")})
        IS DISTINCT FROM (${updated.map(({ value }) => value).join(", ")})
    RETURNING held.created_at = held.updated_at AS fresh`,
  row: Schema.Struct({ fresh: Schema.Boolean })
})
const unknownStatement = PostgresStatement.make({
  name: "news.unknown",
  text: `SELECT given.id FROM ${given} WHERE NOT EXISTS (${known})`,
  row: Schema.Struct({ id: Schema.String })
})
const pictureStatement = PostgresStatement.make({
  name: "news.pictures",
  text: `SELECT wanted.url, held.thumbnail_url FROM jsonb_to_recordset($1::text::jsonb) AS wanted(url text, page_key text)
    CROSS JOIN LATERAL (
      SELECT thumbnail_url FROM ${table} WHERE url = wanted.url AND thumbnail_url IS NOT NULL
      UNION ALL SELECT thumbnail_url FROM ${table} WHERE page_key = wanted.page_key AND thumbnail_url IS NOT NULL
      LIMIT 1
    ) AS held`,
  row: Schema.Struct({ url: Schema.String, thumbnail_url: Schema.String })
})
const removeStatement = PostgresStatement.make({
  name: "news.remove",
  text: `UPDATE ${table} SET is_deleted = true, updated_at = now() WHERE id = $1 AND NOT is_deleted RETURNING id`,
  row: Schema.Struct({ id: Schema.String })
})

/** A statement for each case, so that each uses its index. $1 limit, $2 source, $3 only with a picture, then category, place. */
const pageStatement = (ofCategory: boolean, after: boolean) => {
  const place = ofCategory ? 5 : 4
  const where = [
    "NOT is_deleted",
    "($2::text = 'all' OR source = $2::text)",
    "(NOT $3::boolean OR thumbnail_url IS NOT NULL)",
    ...(ofCategory ? ["category = $4::text"] : []),
    ...(after ? [`(published_at, id) < ($${place}::text::timestamptz, $${place + 1}::text)`] : [])
  ]
  return PostgresStatement.make({
    name: "news.page",
    text: `SELECT row_to_json(found) AS article FROM (SELECT ${columns} FROM ${table} WHERE ${where.join(" AND ")}
      ORDER BY published_at DESC, id DESC LIMIT $1) AS found`,
    row: Schema.Struct({ article: ArticleRow })
  })
}
const pages = {
  all: { first: pageStatement(false, false), next: pageStatement(false, true) },
  category: { first: pageStatement(true, false), next: pageStatement(true, true) }
}

const newestOf = (list: string, where: string) =>
  `SELECT ${list} AS list, * FROM (SELECT ${columns} FROM ${table} WHERE NOT is_deleted ${where}
    ORDER BY published_at DESC, id DESC LIMIT $1) AS newest`
const newestStatement = PostgresStatement.make({
  name: "news.newest",
  text: `SELECT (extract(epoch FROM statement_timestamp()) * 1000)::float8 AS as_of, found.list, row_to_json(found) AS article
    FROM (SELECT 1) AS always LEFT JOIN (
      ${newestOf("'all'::text", "")}
      UNION ALL
      SELECT newest.* FROM (VALUES ('environment'::text), ('energy'), ('ai')) AS kind(name)
        CROSS JOIN LATERAL (${newestOf("kind.name", "AND category = kind.name")}) AS newest
    ) AS found ON true`,
  row: Schema.Struct({
    as_of: Schema.Number,
    list: Schema.NullOr(Schema.Literals(lists)),
    article: Schema.NullOr(ArticleRow)
  })
})

const once = new Set(["news_articles_url", "news_articles_page", "news_articles_title"])
/** Another process has stored the same article meanwhile; the next try finds it. */
const isStoredMeanwhile = (error: PostgresError.PostgresError) =>
  error._tag === "PostgresRefused" && once.has(error.constraint ?? "")
const again = Schedule.spaced("20 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))
const batchSize = 500
const batches = (articles: ReadonlyArray<Article>) =>
  Array.from({ length: Math.ceil(articles.length / batchSize) }, (_, i) =>
    articles.slice(i * batchSize, (i + 1) * batchSize)
  )

const toJson = (articles: ReadonlyArray<Article>) =>
  JSON.stringify(articles.map((article, place) => ({ ...article, ...storedKeys(article), place })))

const toPage = (rows: ReadonlyArray<{ readonly article: ArticleRow }>, limit: number) =>
  pageOf(
    rows.map(({ article }) => toArticle(article)),
    limit
  )

export const layer: Layer.Layer<ArticleStore, never, Postgres.Postgres> = Layer.effect(
  ArticleStore,
  Effect.gen(function* () {
    const postgres = yield* Postgres.Postgres

    let keyed = false
    /** Articles from before the keys get theirs before this process first saves, so that none is stored a second time. */
    const keysFilled = Effect.suspend(() =>
      keyed
        ? Effect.void
        : Effect.tap(Effect.provideService(fillAll, Postgres.Postgres, postgres), () =>
            Effect.sync(() => {
              keyed = true
            })
          )
    )

    const saveOnce = (articles: ReadonlyArray<Article>) =>
      postgres.run(saveStatement, [toJson(articles)]).pipe(Effect.retry({ schedule: again, while: isStoredMeanwhile }))
    const save = (articles: ReadonlyArray<Article>): Effect.Effect<Saved, PostgresError.PostgresError> =>
      saveOnce(articles).pipe(
        Effect.map((rows) => {
          const saved = rows.filter(({ fresh }) => fresh).length
          return { saved, changed: rows.length - saved, refused: [] }
        }),
        Effect.catchIf(PostgresError.isOfData, (error) =>
          articles.length === 1
            ? Effect.succeed({ saved: 0, changed: 0, refused: [{ id: articles[0]!.id, reason: error.message }] })
            : Effect.map(
                Effect.forEach(articles, (article) => save([article])),
                sum
              )
        )
      )

    return ArticleStore.of({
      save: (articles) =>
        Effect.andThen(keysFilled, Effect.map(Effect.forEach(batches(deduplicate(articles)), save), sum)),
      unknown: (articles) =>
        Effect.map(
          Effect.forEach(batches(articles), (some) => postgres.run(unknownStatement, [toJson(some)])),
          (found) => new Set(found.flat().map(({ id }) => id))
        ),
      pictures: (urls) =>
        urls.length === 0
          ? Effect.succeed(new Map())
          : Effect.map(
              postgres.run(pictureStatement, [JSON.stringify(urls.map((url) => ({ url, page_key: pageKey(url) })))]),
              (rows) => new Map(rows.map(({ thumbnail_url, url }) => [url, thumbnail_url]))
            ),
      remove: (id) => Effect.map(postgres.run(removeStatement, [id]), (rows) => rows.length > 0),
      page: ({ after, hasImage, limit, list, source }) =>
        Effect.map(
          postgres.run(pages[list === "all" ? "all" : "category"][after === null ? "first" : "next"], [
            limit + 1,
            source,
            hasImage,
            ...(list === "all" ? [] : [list]),
            ...(after === null ? [] : [new Date(after.millis).toISOString(), after.id])
          ]),
          (rows) => toPage(rows, limit)
        ),
      newest: Effect.map(postgres.run(newestStatement, [listLength + 1]), (rows) => ({
        asOf: Math.floor(rows[0]?.as_of ?? 0),
        lists: new Map(
          lists.map((list) => {
            const articles = rows
              .flatMap((row) => (row.list === list && row.article !== null ? [toArticle(row.article)] : []))
              .toSorted(newestFirst)
            return [list, { articles: articles.slice(0, listLength), complete: articles.length <= listLength }]
          })
        )
      }))
    })
  })
)

const sum = (parts: ReadonlyArray<Saved>): Saved => ({
  saved: parts.reduce((total, { saved }) => total + saved, 0),
  changed: parts.reduce((total, { changed }) => total + changed, 0),
  refused: parts.flatMap(({ refused }) => refused)
})
