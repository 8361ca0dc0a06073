/** The choice of the store: Redis for the newest, Postgres for the rest and while Redis is down; the reader sees one list. */
import { expect, it } from "@effect/vitest"
import { KeyTable, RedisClient } from "@eco2/core/redis"
import { Migrations } from "@eco2/core/postgres"
import { FaultProxy } from "@eco2/core/testing"
import { Context, Effect, Layer, References, Scope } from "effect"
import * as ArticleCache from "../../../packages/news/src/store/ArticleCache.ts"
import type { Query } from "../../../packages/news/src/store/ArticlePage.ts"
import { ArticleReading, layer } from "../../../packages/news/src/store/ArticleReading.ts"
import { ArticleStore, layer as storeLayer, migrations } from "../../../packages/news/src/store/ArticleStore.ts"
import { privateRedis } from "../../core/CoreFixture.ts"
import { onServer, postgresLayer, proxied } from "../../core/postgres/PostgresFixture.ts"
import { article, articles, cacheTimes, idsOf, newestFirst, noon, query, reading, walk } from "../NewsFixture.ts"
import * as NewsKeys from "../../../packages/news/src/store/NewsKeys.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = privateRedis()

onServer("reading news", (database) => {
  /** A process that reads and stores. */
  const process = Effect.fnUntraced(function* (
    given: {
      readonly redis?: string
      readonly postgres?: ReturnType<typeof postgresLayer>
      readonly offset?: number
    } = {}
  ): Effect.fn.Return<
    {
      readonly page: (given?: Partial<Query>) => Effect.Effect<
        {
          readonly ids: ReadonlyArray<string>
          readonly source: string
          readonly next: string | null
          readonly total: number
          readonly expiresIn: number
        },
        unknown
      >
      readonly store: ArticleStore["Service"]
      readonly warm: Effect.Effect<number, unknown>
      readonly send: (...words: [string, ...Array<string | number>]) => Effect.Effect<unknown>
    },
    never,
    Scope.Scope
  > {
    const context = yield* Layer.build(
      reading({ redis: given.redis ?? redis.url, postgres: given.postgres ?? postgresLayer(database()) }, given.offset)
    ).pipe(Effect.orDie)
    const service = Context.get(context, ArticleReading)
    return {
      page: (part) =>
        Effect.map(service.page(query(part)), ({ page, ...rest }) => ({
          ids: idsOf(page.articles),
          next: page.next,
          ...rest
        })),
      store: Context.get(context, ArticleStore),
      warm: service.warm,
      send: (...words) => Effect.orDie(Context.get(context, RedisClient.RedisClient).send(...words))
    }
  })
  const quietly = Effect.provideService(References.MinimumLogLevel, "None")
  const live = <A, E>(title: string, test: Effect.Effect<A, E, Scope.Scope>) =>
    it.live(title, () =>
      Effect.andThen(Effect.provide(Migrations.apply(migrations), postgresLayer(database())), test).pipe(quietly)
    )

  live(
    "N1 N2 2,000 articles, 300 of one millisecond, are each given once from cache and database while 500 more are stored",
    Effect.gen(function* () {
      const reader = yield* process()
      const other = yield* process()
      const tie = new Date(noon - 1_100_000).toISOString()
      const all = articles(2_000, 1_000, (n) =>
        // across the end of the cached part of the lists
        n >= 1_100 && n < 1_400 ? { published_at: tie } : {}
      )
      yield* reader.store.save(all)
      yield* reader.warm
      let inserted = 0
      const sources = new Set<string>()
      const more = Effect.gen(function* () {
        if (inserted >= 500) return
        // some newer than the page being read, some within it
        const batch = articles(10, inserted, (n) => (n % 2 === 0 ? { published_at: tie } : {})).map((one) => ({
          ...one,
          id: `naver_new${one.id.slice(-6)}`,
          url: `${one.url}/new`,
          source: "naver" as const
        }))
        inserted += batch.length
        yield* other.store.save(batch)
        if (inserted % 100 === 0) yield* other.warm
      })
      const seen = yield* walk(
        (after) =>
          Effect.map(reader.page({ after, limit: 25 }), ({ ids, next, source }) => {
            sources.add(source)
            return { articles: ids.map((id) => JSON.stringify({ id })), next }
          }),
        more
      )
      expect(inserted).toBe(500)
      expect([...sources].toSorted()).toEqual(["postgres", "redis"])
      const counts = new Map<string, number>()
      for (const id of seen) counts.set(id, (counts.get(id) ?? 0) + 1)
      expect(all.filter(({ id }) => counts.get(id) !== 1)).toEqual([])
      expect([...counts.values()].every((count) => count === 1)).toBe(true)
    })
  )

  live(
    "N2 the cache's pages equal the database's, by every list and filter, and end where a complete list ends",
    Effect.gen(function* () {
      const { page, store, warm } = yield* process()
      const all = articles(260, 0, (n) => (n % 3 === 0 ? { published_at: new Date(noon).toISOString() } : {}))
      yield* store.save(all)
      yield* warm
      for (const list of ["all", "environment", "energy", "ai"] as const) {
        for (const source of ["all", "naver", "rss"] as const) {
          for (const hasImage of [false, true]) {
            const sources: Array<string> = []
            const seen = yield* walk(
              (after) =>
                Effect.map(page({ list, source, hasImage, after, limit: 9 }), ({ ids, next, source }) => {
                  sources.push(source)
                  return { articles: ids.map((id) => JSON.stringify({ id })), next }
                }),
              Effect.void
            )
            const wanted = newestFirst(all).filter(
              (one) =>
                (list === "all" || one.category === list) &&
                (source === "all" || one.source === source) &&
                (!hasImage || one.thumbnail_url !== null)
            )
            expect(seen).toEqual(wanted.map(({ id }) => id))
            // 87 of a category are in the cache, all of them; of `all` 200 of 260 are
            if (list !== "all") expect(new Set(sources)).toEqual(new Set(["redis"]))
            else if (seen.length > 0) expect(sources.at(-1)).toBe("postgres")
          }
        }
      }
    })
  )

  live(
    "a first reader is answered by Postgres and fills the cache, and the next is answered by Redis",
    Effect.gen(function* () {
      const { page, send, store } = yield* process()
      yield* store.save(articles(30))
      expect(yield* page()).toMatchObject({ source: "postgres", total: 30, expiresIn: 0 })
      const second = yield* page()
      expect(second).toMatchObject({ source: "redis", total: 30 })
      expect(second.expiresIn).toBeGreaterThan(3_590)
      expect(second.expiresIn).toBeLessThanOrEqual(3_600)
      expect(yield* page({ list: "ai", limit: 50 })).toMatchObject({ source: "redis", total: 10 })
      const keys = (yield* send("KEYS", "*")) as ReadonlyArray<string>
      expect(keys).toHaveLength(30 + 4 + 1)
      for (const key of keys) {
        expect(KeyTable.rowOf(NewsKeys.table, keyNames, key)?.name).toMatch(/^\{news\}:(state|list|article)/)
        expect(yield* send("PTTL", key)).toBeGreaterThan(23 * 3_600_000)
      }
    })
  )

  live(
    "an empty list in the cache is a hit, and Postgres is not asked for it again",
    Effect.gen(function* () {
      const { page } = yield* process()
      expect(yield* page()).toMatchObject({ ids: [], source: "postgres" })
      expect(yield* page({ list: "ai" })).toMatchObject({ ids: [], source: "redis", total: 0, next: null })
    })
  )

  live(
    "a cache that has lost an article, a list or its state is a miss, and is filled again",
    Effect.gen(function* () {
      const { page, send, store } = yield* process()
      const anHourOn = yield* process({ offset: 3_600_001 })
      yield* store.save(articles(5))
      const root = NewsKeys.root(keyNames)
      for (const key of [`${root}:article:${article(1).id}`, `${root}:list:all`, `${root}:state`]) {
        yield* page()
        expect(yield* page()).toMatchObject({ source: "redis" })
        yield* send("DEL", key)
        expect((yield* page()).source).toBe("postgres")
        expect((yield* page()).source).toBe("redis")
      }
      expect((yield* anHourOn.page()).source).toBe("postgres")
      expect((yield* anHourOn.page()).source).toBe("redis")
    })
  )

  live(
    "a snapshot older than the cached one changes nothing",
    Effect.gen(function* () {
      const { page, send, store, warm } = yield* process()
      yield* store.save([article(1)])
      yield* warm
      yield* send("HSET", `${NewsKeys.root(keyNames)}:state`, "as_of", Date.now() + 60_000)
      yield* store.save([article(0)])
      yield* warm
      expect((yield* page()).ids).toEqual([article(1).id])
      yield* send("HSET", `${NewsKeys.root(keyNames)}:state`, "as_of", 1)
      yield* warm
      expect((yield* page()).ids).toEqual([article(0).id, article(1).id])
    })
  )

  live(
    "N3 readers are answered while Redis is broken, silent or missing, and from Redis once it is back",
    Effect.gen(function* () {
      const proxy = yield* Effect.acquireRelease(
        Effect.promise(() => FaultProxy.start(Number(new URL(redis.url).port))),
        (proxy) => Effect.promise(() => proxy.close())
      )
      const nowhere = yield* process({ redis: "redis://127.0.0.1:1" })
      yield* nowhere.store.save(articles(12))
      for (let i = 0; i < 3; i++) expect((yield* nowhere.page()).source).toBe("postgres")

      const { page, warm } = yield* process({ redis: proxy.url })
      yield* warm
      expect((yield* page()).source).toBe("redis")
      for (const trouble of [() => proxy.refuse(), () => proxy.hold()]) {
        trouble()
        for (let i = 0; i < 20; i++) expect(yield* page()).toMatchObject({ source: "postgres", expiresIn: 0 })
        proxy.heal()
        let source = ""
        for (let i = 0; i < 1_000 && source !== "redis"; i++) {
          yield* Effect.sleep("10 millis")
          source = (yield* page()).source
        }
        expect(source).toBe("redis")
      }
    })
  )

  live(
    "N3 readers are answered while Redis refuses, ask it once a second, and are answered from it once it accepts",
    Effect.gen(function* () {
      const { page, send, store, warm } = yield* process()
      yield* store.save(articles(12))
      yield* warm
      expect((yield* page()).source).toBe("redis")
      const refused = Effect.map(send("INFO", "errorstats"), (info) =>
        Number(/errorstat_NOPERM:count=(\d+)/.exec(String(info))?.[1] ?? 0)
      )
      yield* send("ACL", "SETUSER", "default", "-evalsha", "-eval")
      const before = yield* refused
      for (let i = 0; i < 20; i++) expect((yield* page()).source).toBe("postgres")
      const after = yield* refused
      yield* send("ACL", "SETUSER", "default", "+evalsha", "+eval")
      expect(after - before).toBeLessThan(10)
      let source = ""
      for (let i = 0; i < 1_000 && source !== "redis"; i++) {
        yield* Effect.sleep("10 millis")
        source = (yield* page()).source
      }
      expect(source).toBe("redis")
    })
  )

  live(
    "N3 a write of the cache that hangs holds no reader: he is answered by what Postgres has",
    Effect.gen(function* () {
      const stores = Layer.merge(
        storeLayer,
        // Redis grants the claim and then does not answer the write of the lists
        Layer.effect(
          ArticleCache.ArticleCache,
          Effect.map(ArticleCache.ArticleCache, (cache) => ({ ...cache, warm: () => Effect.never }))
        ).pipe(Layer.provide(ArticleCache.layerWith(cacheTimes)))
      )
      const context = yield* Layer.build(
        layer.pipe(
          Layer.provideMerge(stores),
          Layer.provide([RedisClient.layerUrl(redis.url), postgresLayer(database())]),
          Layer.fresh
        )
      )
      yield* Context.get(context, ArticleStore).save(articles(3))
      const reading = Context.get(context, ArticleReading)
      expect(yield* reading.page(query())).toMatchObject({ source: "postgres", total: 3 })
    })
  )

  live(
    "N5 while Postgres is away readers get what Redis still keeps, in force or not, and without either an error",
    Effect.gen(function* () {
      const { layer, proxy } = yield* proxied(database())
      const near = yield* process({ postgres: layer })
      const anHourOn = yield* process({ postgres: layer, offset: 3_600_001 })
      yield* near.store.save(articles(12))
      yield* near.warm
      proxy.refuse()
      expect((yield* near.page()).source).toBe("redis")
      expect(yield* anHourOn.page()).toMatchObject({ source: "redis", expiresIn: 0, total: 12 })
      yield* near.send("FLUSHALL")
      expect((yield* Effect.flip(near.page())) as { _tag: string }).toMatchObject({ _tag: "NewsUnavailable" })
    })
  )
})
