/**
 * ArticleStore: articles as Postgres has them, which is all of them. Saving may be repeated and happen in many processes at
 * once; one article a URL:
 *   - an id that is there already: its texts are brought up to date by its own source, what it lacks is filled in; its place
 *     in the lists (published_at, id) and its category stay as first stored (N1)
 *   - another id with a URL that is there already: the first id stays, for clients and caches know it; what the article
 *     lacks is filled in
 *   - a deleted article stays deleted
 * Neighbours: ArticleCache (the newest of them, in Redis), ArticleReading (which of both answers).
 */
import { Migrations, Postgres, PostgresError, PostgresStatement } from "@eco2/core"
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import type { Article } from "../domain/Article.ts"
import { listLength, lists, newestFirst, pageOf } from "./ArticlePage.ts"
import type { List, Loaded, Page, Query } from "./ArticlePage.ts"
import { ArticleRow, columns, toArticle } from "./ArticleRow.ts"

/** What the tables of this package are made by. */
export const migrations = Migrations.read("news", new URL("../migrations/", import.meta.url))

/** What became of a batch. */
export interface Saved {
  /** Articles that were not there before. */
  readonly saved: number
  /** Articles that were there and are changed now. */
  readonly changed: number
  /** What Postgres would not take, for its own sake (too long for an index, bytes no text has). The others are stored. */
  readonly refused: ReadonlyArray<{ readonly id: string; readonly reason: string }>
}

/** The newest of every list, read in one statement; `asOf`: Postgres's clock, unix milliseconds. */
export interface Snapshot {
  readonly asOf: number
  readonly lists: ReadonlyMap<List, Loaded>
}

export class ArticleStore extends Context.Service<
  ArticleStore,
  {
    /** Stores articles, any number; the same id or URL may come twice. Fails where Postgres is away: nothing, or some of them, are stored then, and the same call may be made again. */
    readonly save: (articles: ReadonlyArray<Article>) => Effect.Effect<Saved, PostgresError.PostgresError>
    /** The pictures articles have, by the URLs of their pages; those without one are left out. */
    readonly pictures: (
      urls: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyMap<string, string>, PostgresError.PostgresError>
    /** Deletes an article for readers; false where there is none. Lists in the cache have it until they are written next. */
    readonly remove: (id: string) => Effect.Effect<boolean, PostgresError.PostgresError>
    readonly page: (query: Query) => Effect.Effect<Page, PostgresError.PostgresError>
    /** What the cache is filled with. */
    readonly newest: Effect.Effect<Snapshot, PostgresError.PostgresError>
  }
>()("@eco2/news/store/ArticleStore") {}

const table = "info.news_articles"
const given = `jsonb_to_recordset($1::text::jsonb) AS row(place int, id text, url text, title text, snippet text, source text,
  source_name text, source_icon_url text, thumbnail_url text, video_url text, category text, keywords text[], ai_tag text,
  published_at timestamptz)`
const own = (column: string) =>
  `CASE WHEN held.source = EXCLUDED.source THEN EXCLUDED.${column} ELSE held.${column} END`
const filled = (column: string) => `COALESCE(held.${column}, EXCLUDED.${column})`
const updated = [
  ...["title", "snippet", "keywords"].map((column) => ({ column, value: own(column) })),
  ...["source_name", "source_icon_url", "thumbnail_url", "video_url", "ai_tag"].map((column) => ({
    column,
    value: filled(column)
  }))
]
const saveStatement = PostgresStatement.make({
  name: "news.save",
  // one row a URL, then one an id: a statement cannot touch a row twice
  text: `WITH given AS (
      SELECT DISTINCT ON (url) * FROM ${given} ORDER BY url, place
    ), placed AS (
      SELECT DISTINCT ON (COALESCE(held.id, given.id)) COALESCE(held.id, given.id) AS stored_id, given.*
      FROM given LEFT JOIN ${table} AS held ON held.url = given.url
      ORDER BY COALESCE(held.id, given.id), held.id IS NULL, place
    )
    INSERT INTO ${table} AS held (id, url, title, snippet, source, source_name, source_icon_url, thumbnail_url, video_url,
      category, keywords, ai_tag, published_at)
    SELECT stored_id, url, title, snippet, source, source_name, source_icon_url, thumbnail_url, video_url,
      category, keywords, ai_tag, published_at
    FROM placed ORDER BY stored_id
    ON CONFLICT (id) DO UPDATE
      SET ${updated.map(({ column, value }) => `${column} = ${value}`).join(", ")}, updated_at = now()
      WHERE (${updated.map(({ column }) => `held.${column}`).join(", ")})
        IS DISTINCT FROM (${updated.map(({ value }) => value).join(", ")})
    RETURNING held.created_at = held.updated_at AS fresh`,
  row: Schema.Struct({ fresh: Schema.Boolean })
})
const pictureStatement = PostgresStatement.make({
  name: "news.pictures",
  text: `SELECT held.url, held.thumbnail_url FROM ${table} AS held
    JOIN jsonb_array_elements_text($1::text::jsonb) AS wanted(url) ON held.url = wanted.url
    WHERE held.thumbnail_url IS NOT NULL`,
  row: Schema.Struct({ url: Schema.String, thumbnail_url: Schema.String })
})
const removeStatement = PostgresStatement.make({
  name: "news.remove",
  text: `UPDATE ${table} SET is_deleted = true, updated_at = now() WHERE id = $1 AND NOT is_deleted RETURNING id`,
  row: Schema.Struct({ id: Schema.String })
})

/** A statement each, so that each has its index. $1 how many, $2 source, $3 only with a picture, then category, then place. */
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

/** Another process has stored the same URL meanwhile: the next try sees it. */
const isSameUrl = (error: PostgresError.PostgresError) =>
  error._tag === "PostgresRefused" && error.constraint === "news_articles_url"
const again = Schedule.spaced("20 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))
const batchSize = 500

const toPage = (rows: ReadonlyArray<{ readonly article: ArticleRow }>, limit: number) =>
  pageOf(
    rows.map(({ article }) => toArticle(article)),
    limit
  )

export const layer: Layer.Layer<ArticleStore, never, Postgres.Postgres> = Layer.effect(
  ArticleStore,
  Effect.gen(function* () {
    const postgres = yield* Postgres.Postgres

    const saveOnce = (articles: ReadonlyArray<Article>) =>
      postgres
        .run(saveStatement, [JSON.stringify(articles.map((article, place) => ({ ...article, place })))])
        .pipe(Effect.retry({ schedule: again, while: isSameUrl }))
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
        Effect.map(
          Effect.forEach(
            Array.from({ length: Math.ceil(articles.length / batchSize) }, (_, i) =>
              articles.slice(i * batchSize, (i + 1) * batchSize)
            ),
            save
          ),
          sum
        ),
      pictures: (urls) =>
        urls.length === 0
          ? Effect.succeed(new Map())
          : Effect.map(
              postgres.run(pictureStatement, [JSON.stringify(urls)]),
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
