/** Articles in Postgres: one a URL, changed only without changing their place, read page by page. */
import { expect, it } from "@effect/vitest"
import { Migrations, Postgres, PostgresStatement } from "@eco2/core/postgres"
import { Effect, Fiber, Layer, Schema } from "effect"
import type { Article } from "../../../packages/news/src/domain/Article.ts"
import { storedKeys } from "../../../packages/news/src/domain/ArticleKeys.ts"
import { prepareDatabase } from "../../../packages/news/src/layers.ts"
import { ArticleStore, layer, migrations } from "../../../packages/news/src/store/ArticleStore.ts"
import { onBoth, onServer, postgresLayer } from "../../core/postgres/PostgresFixture.ts"
import type { Database } from "../../core/postgres/PostgresFixture.ts"
import { until } from "../../core/Until.ts"
import { article, articles, idsOf, newestFirst, noon, query, walk } from "../NewsFixture.ts"

const prepared = <A, E>(
  database: Database,
  test: (store: ArticleStore["Service"]) => Effect.Effect<A, E, Postgres.Postgres>
) =>
  Effect.andThen(Migrations.apply(migrations), ArticleStore.use(test)).pipe(
    Effect.provide(Layer.provideMerge(layer, postgresLayer(database)))
  )
const stored = (store: ArticleStore["Service"]) =>
  Effect.map(store.page(query({ limit: 50 })), (page) => page.articles.map((text) => JSON.parse(text) as Article))

onBoth("an article", (database) => {
  it.effect("an article is read as it was saved, and saved again it changes nothing", () =>
    prepared(database(), (store) =>
      Effect.gen(function* () {
        const given = article(1, {
          keywords: ['say "a, b"', "{c}", "\\"],
          ai_tag: "recycling",
          video_url: "https://videos.example/1",
          source_icon_url: "https://news.example/icon.png",
          published_at: "2026-11-21T09:30:00.007Z"
        })
        const bare = article(2, { source_name: null, thumbnail_url: null, keywords: [], snippet: "" })
        expect(yield* store.save([given, bare])).toEqual({ saved: 2, changed: 0, refused: [] })
        expect(yield* stored(store)).toEqual(newestFirst([given, bare]))
        expect(yield* store.save([bare, given])).toEqual({ saved: 0, changed: 0, refused: [] })
      })
    )
  )

  it.effect("an article that comes twice in a batch, by its id or its URL, is stored once", () =>
    prepared(database(), (store) =>
      Effect.gen(function* () {
        const one = article(1)
        const sameId = article(1, { url: "https://elsewhere.example/1" })
        const sameUrl = article(7, { url: one.url })
        expect((yield* store.save([one, sameId, sameUrl, one])).saved).toBe(1)
        expect(yield* stored(store)).toEqual([one])
      })
    )
  )

  it.effect("an article whose URL is stored under another id keeps that id, and takes what it lacks", () =>
    prepared(database(), (store) =>
      Effect.gen(function* () {
        const first = article(1, { source: "naver", thumbnail_url: null, ai_tag: null })
        const second = article(2, {
          source: "newsdata",
          url: first.url,
          thumbnail_url: "https://pictures.example/2.jpg",
          ai_tag: "waste"
        })
        yield* store.save([first])
        expect(yield* store.save([second])).toEqual({ saved: 0, changed: 1, refused: [] })
        expect(yield* stored(store)).toEqual([{ ...first, thumbnail_url: second.thumbnail_url, ai_tag: "waste" }])
        // an id whose URL belongs to another article: both map to one row
        const third = article(3)
        yield* store.save([third])
        expect(
          (yield* store.save([{ ...third, url: "https://new.example/" }, article(9, { url: third.url })])).saved
        ).toBe(0)
      })
    )
  )

  it.effect(
    "D1 D2 an article that comes again in a later run, by another form of its address or another source, is not stored again",
    () =>
      prepared(database(), (store) =>
        Effect.gen(function* () {
          const title = "재활용 선별장에 로봇 들어온다"
          const first = article(1, {
            title: `${title} - 초록일보`,
            url: "https://press.example/a/1?id=7",
            snippet: "",
            thumbnail_url: null,
            source: "naver"
          })
          expect((yield* store.save([first])).saved).toBe(1)
          const hour = 3_600_000
          const again: ReadonlyArray<Partial<Article>> = [
            { url: "https://m.press.example/a/1/?utm_source=naver&id=7" },
            { url: "https://amp.press.example/a/1/amp?id=7", title: "그 사이에 고친 제목" },
            { url: "https://other.example/1", title: `<b>${title}</b>!`, source: "newsdata" },
            { url: "https://other.example/2", title, published_at: new Date(noon - 20 * hour).toISOString() }
          ]
          for (const [n, change] of again.entries()) {
            const outcome = yield* store.save([
              article(10 + n, { snippet: "먼저 온 요약", published_at: first.published_at, source: "naver", ...change })
            ])
            expect([n, outcome.saved, outcome.refused]).toEqual([n, 0, []])
          }
          // the first is as it was, with its missing fields filled in
          expect(yield* stored(store)).toEqual([
            { ...first, snippet: "먼저 온 요약", thumbnail_url: article(10).thumbnail_url ?? article(11).thumbnail_url }
          ])
          const others: ReadonlyArray<Partial<Article>> = [
            { title, published_at: new Date(noon + 24 * hour).toISOString() },
            { title: `${title} - 푸른신문`, published_at: new Date(noon - 1000).toISOString() },
            { title: `${title} 2` },
            { url: "https://press.example/a/1?id=8", title: "[사설]" }
          ]
          for (const [n, change] of others.entries()) {
            const outcome = yield* store.save([article(20 + n, change)])
            expect([n, outcome.saved]).toEqual([n, 1])
          }
        })
      )
  )

  it.effect("a deleted article is not stored again under another address or by another source", () =>
    prepared(database(), (store) =>
      Effect.gen(function* () {
        const first = article(1, { title: "지워 달라고 한 기사의 제목" })
        yield* store.save([first])
        yield* store.remove(first.id)
        yield* store.save([
          article(2, { url: `${first.url}?utm_source=x` }),
          article(3, { title: first.title, source: "rss" })
        ])
        expect(yield* stored(store)).toEqual([])
      })
    )
  )

  it.effect("N1 an article sent again with changes takes them but keeps its place", () =>
    prepared(database(), (store) =>
      Effect.gen(function* () {
        const first = article(1, { thumbnail_url: "https://pictures.example/first.jpg" })
        yield* store.save([first])
        const again = article(1, {
          title: "고친 제목",
          category: "ai",
          thumbnail_url: "https://pictures.example/other.jpg",
          url: "https://moved.example/",
          published_at: new Date(noon).toISOString()
        })
        expect(yield* store.save([again])).toEqual({ saved: 0, changed: 1, refused: [] })
        expect(yield* stored(store)).toEqual([{ ...first, title: "고친 제목" }])
      })
    )
  )

  it.effect("an article that Postgres refuses is left out, and the others of its batch are stored", () =>
    prepared(database(), (store) =>
      Effect.gen(function* () {
        const bad = article(2, { title: "nul \u0000" })
        const outcome = yield* store.save([article(1), bad, article(3)])
        expect(outcome).toEqual({ saved: 2, changed: 0, refused: [{ id: bad.id, reason: expect.any(String) }] })
      })
    )
  )

  it.effect("an article takes a picture that is found later, once, and a deleted article stays away", () =>
    prepared(database(), (store) =>
      Effect.gen(function* () {
        yield* store.save([article(4), article(8), article(1)])
        expect(idsOf((yield* store.page(query({ hasImage: true }))).articles)).toEqual([article(1).id])
        const pictures = yield* store.pictures([4, 8, 1, 99].map((n) => article(n).url))
        expect([...pictures]).toEqual([[article(1).url, article(1).thumbnail_url]])
        const late = article(4, { thumbnail_url: "https://pictures.example/4.jpg" })
        expect(yield* store.save([late])).toEqual({ saved: 0, changed: 1, refused: [] })
        // neither a run without a picture nor another picture replaces it
        for (const thumbnail_url of [null, "https://pictures.example/other.jpg"]) {
          expect(yield* store.save([{ ...late, thumbnail_url }])).toEqual({ saved: 0, changed: 0, refused: [] })
        }
        expect([...(yield* store.pictures([late.url, late.url]))]).toEqual([[late.url, late.thumbnail_url]])
        expect(yield* store.remove(article(4).id)).toBe(true)
        expect(yield* store.remove(article(4).id)).toBe(false)
        yield* store.save([article(4)])
        expect((yield* stored(store)).map(({ id }) => id)).toEqual([article(1).id, article(8).id])
      })
    )
  )

  it.effect("N1 N2 an article is in its lists once, page by page, also within one millisecond, by every filter", () =>
    prepared(database(), (store) =>
      Effect.gen(function* () {
        const all = articles(120, 0, (n) => (n < 60 ? { published_at: new Date(noon).toISOString() } : {}))
        yield* store.save(all)
        const expected = newestFirst(all)
        for (const list of ["all", "energy"] as const) {
          for (const source of ["all", "newsdata"] as const) {
            for (const hasImage of [false, true]) {
              const lengths: Array<number> = []
              const seen = yield* walk(
                (after) =>
                  Effect.tap(store.page(query({ list, source, hasImage, after, limit: 7 })), ({ articles }) =>
                    Effect.sync(() => lengths.push(articles.length))
                  ),
                Effect.void
              )
              const wanted = expected.filter(
                (one) =>
                  (list === "all" || one.category === list) &&
                  (source === "all" || one.source === source) &&
                  (!hasImage || one.thumbnail_url !== null)
              )
              expect(seen).toEqual(wanted.map(({ id }) => id))
              expect(lengths.slice(0, -1).every((length) => length === 7)).toBe(true)
            }
          }
        }
      })
    )
  )

  it.effect("the newest 200 of every list are read by one statement, with whether each list is complete", () =>
    prepared(database(), (store) =>
      Effect.gen(function* () {
        const nothing = yield* store.newest
        expect(nothing.lists.get("all")).toEqual({ articles: [], complete: true })
        expect(nothing.asOf).toBeGreaterThan(Date.UTC(2020, 0))
        const all = articles(210, 0, () => ({ category: "energy" }))
        yield* store.save([...all, article(999, { category: "ai" })])
        const { lists } = yield* store.newest
        expect(lists.get("energy")).toEqual({ articles: all.slice(0, 200), complete: false })
        expect(lists.get("ai")).toEqual({ articles: [article(999, { category: "ai" })], complete: true })
        expect(lists.get("environment")).toEqual({ articles: [], complete: true })
        expect(lists.get("all")?.articles).toEqual(all.slice(0, 200))
      })
    )
  )

  it.live("articles with one URL saved at once under different ids are stored once", () =>
    prepared(database(), (store) =>
      Effect.gen(function* () {
        const batches = Array.from({ length: 6 }, (_, batch) =>
          articles(40).map((one) => ({ ...one, id: `${one.id}-${batch}` }))
        )
        const outcomes = yield* Effect.forEach(batches, (batch) => store.save(batch), { concurrency: "unbounded" })
        expect(outcomes.reduce((total, { saved }) => total + saved, 0)).toBe(40)
        expect(outcomes.flatMap(({ refused }) => refused)).toEqual([])
        expect((yield* stored(store)).map(({ url }) => url).toSorted()).toEqual(
          articles(40)
            .map(({ url }) => url)
            .toSorted()
        )
      })
    )
  )
})

onServer("an article that two processes store at once", (database) => {
  it.live("D1 D2 an article saved at once under different addresses and ids is stored once", () =>
    prepared(database(), (store) =>
      Effect.gen(function* () {
        const forms = ["", "?utm_source=a", "/amp", "/", "#top", "?fbclid=1"]
        // each batch has other ids, another order, and other forms of the addresses; every fourth matches by its title alone
        const batches = forms.map((form, batch) =>
          articles(40)
            .map((one, n) => ({
              ...one,
              id: `${batch % 2 === 0 ? "a" : "z"}${(n * 7 + batch) % 40}-${batch}`,
              title: `${n + 1}번째 마을에서 있었던 일`,
              url: n % 4 === 0 ? `https://press${batch}.example/${n}` : `${one.url}${form}`
            }))
            .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        )
        const outcomes = yield* Effect.forEach(batches, (batch) => store.save(batch), { concurrency: "unbounded" })
        expect(outcomes.flatMap(({ refused }) => refused)).toEqual([])
        expect(outcomes.reduce((total, { saved }) => total + saved, 0)).toBe(40)
        expect(new Set((yield* stored(store)).map(({ title }) => title)).size).toBe(40)
      })
    )
  )
})

/** Another transaction in progress. */
const asleep = PostgresStatement.make({
  name: "test.asleep",
  text: "SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
  row: Schema.Struct({ count: Schema.Int })
})

onBoth("articles stored before the article keys existed", (database) => {
  const keyed = PostgresStatement.make({
    name: "test.keyed",
    text: "SELECT id, page_key, title_key, title_body_key FROM info.news_articles ORDER BY id",
    row: Schema.Struct({
      id: Schema.String,
      page_key: Schema.NullOr(Schema.String),
      title_key: Schema.NullOr(Schema.String),
      title_body_key: Schema.NullOr(Schema.String)
    })
  })
  const titled = (n: number, given: Partial<Article> = {}) =>
    article(n, { title: `오래전에 저장된 ${n}번째 기사`, source: "naver", ...given })
  /** Stores them as the version before the keys did. */
  const old = (all: ReadonlyArray<Article>) =>
    Postgres.Postgres.use((postgres) =>
      postgres.script(
        "test.old",
        all
          .map(
            ({ category, id, published_at, source, source_name, title: said, url }) =>
              `INSERT INTO info.news_articles (id, url, title, snippet, source, source_name, category, keywords, published_at)
              VALUES ('${id}', '${url}', '${said}', '', '${source}', '${source_name}', '${category}', '{}', '${published_at}');`
          )
          .join("\n")
      )
    )
  const rows = Postgres.Postgres.use((postgres) => postgres.run(keyed, []))

  it.effect("D1 D2 an article of before the keys that is found again gets its keys and is not stored again", () =>
    prepared(database(), (store) =>
      Effect.gen(function* () {
        const [one, other] = [titled(1), titled(2)]
        yield* old([one, other])
        const again = { ...one, id: "rss_1", url: `${one.url}?utm_source=x`, title: "다른 제목으로 다시 온 기사" }
        const renamed = { ...other, id: "rss_2", url: "https://elsewhere.example/2" }
        expect((yield* store.save([again, renamed])).saved).toBe(0)
        expect(yield* rows).toEqual([
          { id: one.id, ...storedKeys(one) },
          { id: other.id, ...storedKeys(other) }
        ])
      })
    )
  )

  it.effect(
    "D1 D2 of two articles of before the keys that are one page, or have one title, the older one is found by it",
    () =>
      prepared(database(), (store) =>
        Effect.gen(function* () {
          const newer = titled(1)
          const older = titled(2, { url: `${newer.url}?utm_source=x` })
          const sameTitle = titled(3, { title: older.title })
          const known = titled(4)
          const taken = titled(5, { url: `${known.url}#top`, title: known.title })
          yield* old([newer, older, sameTitle])
          yield* store.save([known])
          yield* old([taken])
          yield* prepareDatabase
          const found = new Map((yield* rows).map((row) => [row.id, row]))
          expect(found.get(older.id)).toMatchObject({ page_key: storedKeys(older).page_key, title_key: null })
          expect(found.get(sameTitle.id)).toMatchObject(storedKeys(sameTitle))
          expect(found.get(known.id)).toMatchObject(storedKeys(known))
          for (const { id } of [newer, taken]) expect(found.get(id)?.page_key).toMatch(/^-[0-9a-f]{31}$/)
          expect(found.get(taken.id)?.title_key).toBe(null)
          // nothing is left to do, and nothing changes any more
          yield* prepareDatabase
          expect(new Map((yield* rows).map((row) => [row.id, row]))).toEqual(found)
          expect(yield* stored(store)).toHaveLength(5)
        })
      )
  )

  it.effect("articles of before the keys get them in batches, when the database is prepared", () =>
    prepared(database(), () =>
      Effect.gen(function* () {
        const all = Array.from({ length: 1_001 }, (_, n) => titled(n))
        yield* old(all)
        yield* prepareDatabase
        expect(yield* rows).toEqual(
          all.map((one) => ({ id: one.id, ...storedKeys(one) })).toSorted((a, b) => (a.id < b.id ? -1 : 1))
        )
      })
    )
  )
})

const title = "다른 프로세스도 막 저장하는 기사"
const meetings: ReadonlyArray<readonly [by: string, second: Partial<Article>]> = [
  ["its address", { url: article(1).url, title: "다른 제목의 기사" }],
  ["another form of its address", { url: `${article(1).url}?utm_source=x`, title: "다른 제목의 기사" }],
  ["its title", { title }]
]
onServer("an article that another process is just storing", (database) => {
  for (const [by, change] of meetings) {
    it.live(`D1 D2 an article that another process is storing is found by ${by}, and takes what it lacks`, () =>
      prepared(database(), (store) =>
        Effect.gen(function* () {
          const postgres = yield* Postgres.Postgres
          const first = article(1, { thumbnail_url: null, source: "naver", title })
          const { page_key, title_key } = storedKeys(first)
          const other = yield* Effect.forkChild(
            postgres.script(
              "test.slow",
              `INSERT INTO info.news_articles
                (id, url, title, snippet, source, category, keywords, published_at, page_key, title_key)
              VALUES ('${first.id}', '${first.url}', 'x', '', 'naver', 'ai', '{}', '${first.published_at}',
                '${page_key}', '${title_key}');
              SELECT pg_sleep(1);`
            )
          )
          yield* until(postgres.run(asleep), ([row]) => row?.count === 1)
          const second = article(2, {
            source: "newsdata",
            thumbnail_url: "https://pictures.example/2.jpg",
            ...change
          })
          expect(yield* store.save([second])).toEqual({ saved: 0, changed: 1, refused: [] })
          yield* Fiber.join(other)
          expect(yield* stored(store)).toMatchObject([{ id: first.id, thumbnail_url: second.thumbnail_url }])
        })
      )
    )
  }
})
