/** The news API over HTTP: what its clients rely on, also while a store is down. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { Migrations, Postgres, PostgresStatement } from "@eco2/core/postgres"
import { FaultProxy, PostgresServer, RedisServer } from "@eco2/core/testing"
import { refusals } from "../../harness/Described.ts"
import { Duration, Layer, ManagedRuntime, Schema } from "effect"
import { Redis } from "ioredis"
import { Article } from "../../../packages/news/src/domain/Article.ts"
import { ArticleStore, layer, migrations } from "../../../packages/news/src/store/ArticleStore.ts"
import { field } from "../../gateway/ScanClient.ts"
import { metric, start, until } from "../../gateway/Serving.ts"
import type { Serving } from "../../gateway/Serving.ts"
import { ArticleReading } from "../../../packages/news/src/store/ArticleReading.ts"
import { article, articles, newestFirst, query, timelessReading } from "../NewsFixture.ts"

const List = Schema.Struct({
  articles: Schema.Array(Article),
  next_cursor: Schema.NullOr(Schema.String),
  has_more: Schema.Boolean,
  meta: Schema.Struct({
    total_cached: Schema.Int,
    cache_expires_in: Schema.Int,
    source: Schema.Literals(["redis", "postgres"])
  })
})

/** By the server's own count. */
const statementCalls = PostgresStatement.make({
  name: "test.calls",
  text: `SELECT coalesce(sum(calls), 0)::int AS calls FROM pg_stat_statements
    WHERE query LIKE $1::text AND query NOT LIKE '%pg_stat_statements%'`,
  row: Schema.Struct({ calls: Schema.Int })
})

const forget = PostgresStatement.make({
  name: "test.forget",
  text: "DELETE FROM info.news_articles WHERE id = $1::text RETURNING id",
  row: Schema.Struct({ id: Schema.String })
})

describe.skipIf(!PostgresServer.isInstalled())("the news API", () => {
  const all = articles(30)
  let database: PostgresServer.PostgresServer
  let redis: RedisServer.RedisServer
  let outside: ManagedRuntime.ManagedRuntime<Postgres.Postgres | ArticleStore, never>
  let api: Serving
  const serving: Array<Serving> = []
  const begun = async (env: Readonly<Record<string, string>>) => {
    const started = await start("news-api", { DATABASE_URL: database.url(), REDIS_URL: redis.url, ...env })
    serving.push(started)
    return started
  }
  /** One that is ready: it has read its first page, which may have filled the cache. */
  const role = async (env: Readonly<Record<string, string>> = {}) => {
    const started = await begun(env)
    await until(
      async () => (await fetch(`${started.address}/readyz`)).status,
      (status) => status === 200
    )
    return started
  }

  beforeAll(async () => {
    ;[database, redis] = await Promise.all([PostgresServer.start(), RedisServer.start()])
    outside = ManagedRuntime.make(
      Layer.provideMerge(layer, Postgres.layerUrl(database.url(), { pool: 1, timeout: Duration.seconds(10) }))
    )
    const script = (text: string) => outside.runPromise(Postgres.Postgres.use((sql) => sql.script("test", text)))
    await script("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    await database.restart()
    await script("CREATE EXTENSION pg_stat_statements")
    await outside.runPromise(Migrations.apply(migrations))
    await outside.runPromise(ArticleStore.use((store) => store.save(all)))
  })
  beforeEach(async () => {
    api = await role()
    const client = new Redis(redis.url)
    await client.flushall()
    client.disconnect()
  })
  afterEach(async () => {
    await Promise.all(serving.splice(0).map((one) => one.stop()))
    await redis.restart()
  })
  afterAll(async () => {
    await outside?.dispose()
    await database?.stop()
    await redis?.stop()
  })

  const get = (path: string, headers: Record<string, string> = {}, on = api) =>
    fetch(`${on.address}/api/v1/info${path}`, { headers })
  const list = async (query = "", on = api) => {
    const response = await get(`/news${query}`, {}, on)
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toMatch(/^application\/json/)
    return Schema.decodeUnknownSync(List)(await response.json())
  }

  it("the list of news has the newest ten, then the next ten by its cursor, each article whole", async () => {
    const first = await list()
    expect(first.articles).toEqual(newestFirst(all).slice(0, 10))
    expect(first).toMatchObject({ has_more: true, meta: { source: "postgres", cache_expires_in: 0, total_cached: 30 } })
    const second = await list(`?cursor=${first.next_cursor}&limit=50`)
    expect(second.articles).toEqual(newestFirst(all).slice(10))
    expect(second).toMatchObject({ has_more: false, next_cursor: null, meta: { source: "redis", total_cached: 30 } })
    expect(second.meta.cache_expires_in).toBeGreaterThan(3_500)
  })

  it("the list of news is filtered by category, source and picture", async () => {
    const { articles: found } = await list("?category=energy&source=naver&has_image=true&limit=50")
    const wanted = all.filter(
      (one) => one.category === "energy" && one.source === "naver" && one.thumbnail_url !== null
    )
    expect(found).toEqual(newestFirst(wanted))
    expect((await list("?has_image=false&limit=50")).articles).toHaveLength(30)
  })

  it("an empty parameter is an absent one", async () => {
    const { articles: found } = await list("?category=&limit=&cursor=&source=&has_image=")
    expect(found).toEqual(newestFirst(all).slice(0, 10))
  })

  it("a cursor of digits alone begins with what is older, from either store", async () => {
    const [, second] = newestFirst(all)
    const millis = Date.parse(second!.published_at)
    const older = newestFirst(all).filter((one) => Date.parse(one.published_at) < millis)
    expect((await list(`?cursor=${millis}`)).articles).toEqual(older.slice(0, 10))
    expect((await list(`?cursor=${millis}&limit=50`)).articles).toEqual(older)
  })

  it.each([
    ["category=sports", 400, "INVALID_CATEGORY"],
    ["source=rumour", 400, "INVALID_SOURCE"],
    ["cursor=yesterday", 400, "INVALID_CURSOR_FORMAT"],
    ["cursor=999999999999999_a", 400, "INVALID_CURSOR_FORMAT"],
    ["cursor=1_a%27b", 400, "INVALID_CURSOR_FORMAT"],
    ["limit=0", 422, "VALIDATION_ERROR"],
    ["limit=51", 422, "VALIDATION_ERROR"],
    ["limit=ten", 422, "VALIDATION_ERROR"],
    ["has_image=maybe", 422, "VALIDATION_ERROR"],
    ["has_image=constructor", 422, "VALIDATION_ERROR"],
    ["limit=1&limit=2", 400, "INVALID_REQUEST"]
  ])("a request with %s is answered %i %s", async (query, status, code) => {
    const response = await get(`/news?${query}`)
    expect(response.status).toBe(status)
    const body: unknown = await response.json()
    expect(body).toMatchObject({ code })
    const described: unknown = await (await get("/openapi.json")).json()
    expect(refusals(described, "GET", "/api/v1/info/news")).toContain(`${status} ${code}`)
    if (code === "INVALID_REQUEST") expect(field(body, "detail")).toBe("query limit: given twice")
    if (status === 422) {
      expect(field(body, "detail")).toEqual([
        { loc: ["query", query.split("=")[0]], msg: expect.any(String), type: expect.any(String) }
      ])
    }
  })

  it("the API lists its categories, its health and its own description", async () => {
    expect(await (await get("/news/categories")).json()).toEqual({
      categories: [
        { id: "all", name: "전체" },
        { id: "environment", name: "환경" },
        { id: "energy", name: "에너지" },
        { id: "ai", name: "AI" }
      ]
    })
    expect(await (await get("/health")).json()).toMatchObject({ status: "healthy", redis: "up", postgres: "up" })
    const described: unknown = await (await get("/openapi.json")).json()
    expect(Object.keys(field(described, "paths") as object)).toEqual(
      expect.arrayContaining(["/api/v1/info/news", "/api/v1/info/news/categories", "/api/v1/info/health"])
    )
    expect((await get("/nothing")).status).toBe(404)
  })

  it("an unchanged page is answered 304, whichever store it comes from, and another page 200", async () => {
    const first = await get("/news")
    const etag = first.headers.get("etag") ?? ""
    expect(etag).toMatch(/^W\/"/)
    const again = await get("/news", { "if-none-match": `"other", ${etag}` })
    expect(again.status).toBe(304)
    expect(await again.text()).toBe("")
    expect((await get("/news?limit=9", { "if-none-match": etag })).status).toBe(200)
  })

  it.each(["/news", "/news?category=ai&lang=en", "/news/assets/news.js", "/news/assets/style.css"])(
    "%s, the page for people or a file of it, has an ETag, and a client that has it in whatever encoding gets 304",
    async (path) => {
      const page = (headers: Readonly<Record<string, string>> = {}) => fetch(`${api.address}${path}`, { headers })
      const [whole, small] = [await page({ "accept-encoding": "identity" }), await page({ "accept-encoding": "br" })]
      const [strong, weak] = [whole.headers.get("etag") ?? "", small.headers.get("etag") ?? ""]
      expect([small.headers.get("content-encoding"), strong, weak]).toEqual([
        "br",
        expect.stringMatching(/^"[\w-]+"$/),
        `W/${strong}`
      ])
      for (const given of [strong, weak, `"x", ${weak}`, "*"]) {
        const again = await page({ "if-none-match": given })
        expect([given, again.status, await again.text(), again.headers.get("etag")]).toEqual([given, 304, "", strong])
        expect(again.headers.get("vary")?.toLowerCase()).toContain("accept-encoding")
        expect(again.headers.get("content-security-policy")).toBe(whole.headers.get("content-security-policy"))
      }
      expect((await page({ "if-none-match": '"other"' })).status).toBe(200)
    }
  )

  it("the page for people in another language or category, or of other news, has another ETag, and a refused one has none", async () => {
    const etagOf = async (query: string, language = "ko") =>
      (await fetch(`${api.address}/news${query}`, { headers: { "accept-language": language } })).headers.get("etag")
    const etags = [
      await etagOf(""),
      await etagOf("", "en"),
      await etagOf("?category=ai"),
      await etagOf("?lang=en&category=ai")
    ]
    expect(new Set(etags).size).toBe(4)
    expect(await etagOf("?category=sports")).toBe(null)
  })

  it("a page is answered 304 for If-None-Match *, which any page matches", async () => {
    expect((await get("/news", { "if-none-match": "*" })).status).toBe(304)
    expect((await get("/news", { "if-none-match": '"*"' })).status).toBe(200)
  })

  it("the ETag of a page changes when more appears behind it, though its own articles stay", async () => {
    const path = `/news?category=ai&limit=${all.filter(({ category }) => category === "ai").length}`
    const last = await get(path)
    const etag = last.headers.get("etag") ?? ""
    expect(field(await last.json(), "has_more")).toBe(false)
    const older = article(900, { category: "ai" })
    await outside.runPromise(ArticleStore.use((store) => store.save([older])))
    await redis.restart()
    await until(
      async () => (await get("/news")).status,
      (status) => status === 200
    )
    const more = await get(path, { "if-none-match": etag })
    await outside.runPromise(Postgres.Postgres.use((sql) => sql.run(forget, [older.id])))
    expect(more.status).toBe(200)
    expect(more.headers.get("etag")).not.toBe(etag)
    const body: unknown = await more.json()
    expect([field(body, "has_more"), field(body, "articles")]).toEqual([
      true,
      newestFirst(all.filter(({ category }) => category === "ai"))
    ])
  })

  it("the origins of CORS_ORIGINS may read the API, and others may not", async () => {
    const open = await role({ CORS_ORIGINS: "https://app.example" })
    const allowed = async (origin: string) =>
      (await get("/news", { origin }, open)).headers.get("access-control-allow-origin")
    expect(await allowed("https://app.example")).toBe("https://app.example")
    expect(await allowed("https://evil.example")).toBe(null)
  })

  it("N4 200 cache misses at once are one statement on Postgres, and one of two processes fills the cache", async () => {
    const calls = async (like: string) => {
      const [row] = await outside.runPromise(Postgres.Postgres.use((sql) => sql.run(statementCalls, [like])))
      return row?.calls ?? 0
    }
    // below HTTP, without time-outs: a reader who gives Redis up reads Postgres by a statement of his own (N3)
    const reader = () => {
      const postgres = Postgres.layerUrl(database.url(), { pool: 8, timeout: Duration.seconds(10) })
      return ManagedRuntime.make(timelessReading({ redis: redis.url, postgres: Layer.orDie(postgres) }))
    }
    const [one, other] = [reader(), reader()]
    const page = (of: typeof one) => of.runPromise(ArticleReading.use((reading) => reading.page(query())))
    try {
      const anything = "%news_articles%"
      const filling = "%UNION ALL%"
      const before = await calls(anything)
      const misses = await Promise.all(Array.from({ length: 200 }, () => page(one)))
      expect(await calls(anything)).toBe(before + 1)
      expect(new Set(misses.map((read) => JSON.stringify(read.page))).size).toBe(1)
      expect(misses[0]!.source).toBe("postgres")
      expect((await page(other)).source).toBe("redis")

      const client = new Redis(redis.url)
      await client.flushall()
      client.disconnect()
      const fillings = await calls(filling)
      await Promise.all(Array.from({ length: 200 }, (_, i) => page(i % 2 === 0 ? one : other)))
      expect(await calls(filling)).toBe(fillings + 1)
    } finally {
      await Promise.all([one.dispose(), other.dispose()])
    }
  })

  it("N3 while Redis is away, at the start or later, the list of news is answered from Postgres", async () => {
    await list()
    expect((await list()).meta.source).toBe("redis")
    await redis.kill9()
    const answers = await Promise.all(Array.from({ length: 50 }, () => list()))
    expect(answers.every(({ meta }) => meta.source === "postgres" && meta.cache_expires_in === 0)).toBe(true)
    const late = await role()
    expect((await list("?category=ai", late)).articles).toHaveLength(10)
    await redis.restart()
    await until(
      async () => (await list("", late)).meta.source,
      (source) => source === "redis"
    )
    expect(await metric(late, "eco2_news_warms_total")).toBeGreaterThan(0)
  })

  it("N5 while Postgres is away the list of news is answered from Redis, or with 503 and Retry-After", async () => {
    const proxy = await FaultProxy.start(database.port)
    try {
      const port = new URL(proxy.url).port
      const cut = await role({ DATABASE_URL: `postgres://postgres@127.0.0.1:${port}/postgres` })
      await list("", cut)
      proxy.refuse()
      expect((await list("", cut)).meta.source).toBe("redis")
      await redis.restart()
      const refused = await get("/news", {}, cut)
      expect(refused.status).toBe(503)
      expect(refused.headers.get("retry-after")).toBe("2")
      expect(await refused.json()).toEqual({ detail: expect.any(String), code: "UNAVAILABLE" })
      const page = await fetch(`${cut.address}/news`)
      expect(page.status).toBe(503)
      expect(await page.text()).toContain("지금은 뉴스를 보여 드릴 수 없어요")
    } finally {
      await proxy.close()
    }
  })

  it("a news API is not ready before it can answer: with an empty cache not while Postgres is away", async () => {
    const proxy = await FaultProxy.start(database.port)
    try {
      await redis.restart()
      proxy.refuse()
      const port = new URL(proxy.url).port
      const early = await begun({ DATABASE_URL: `postgres://postgres@127.0.0.1:${port}/postgres` })
      const readyz = async () => {
        const answer = await fetch(`${early.address}/readyz`)
        return { status: answer.status, body: await answer.text() }
      }
      expect((await get("/news", {}, early)).status).toBe(503)
      expect(await readyz()).toMatchObject({ status: 503, body: expect.stringContaining("no news could be read yet") })
      proxy.heal()
      await until(readyz, ({ status }) => status === 200)
      expect((await get("/news", {}, early)).status).toBe(200)
      // once it could, the two stores alone decide
      proxy.refuse()
      expect((await readyz()).status).toBe(200)
    } finally {
      await proxy.close()
    }
  })

  it("a news API on a database without its tables does not start, and names the command to run", async () => {
    const empty = await database.database("bare")
    await expect(role({ DATABASE_URL: empty })).rejects.toThrow("eco2 migrate")
  })

  it("the news page works without JavaScript: cards, categories and the next page's link, all of it escaped", async () => {
    const evil = article(5_000, {
      id: "rss_evil",
      source: "rss",
      title: `<script>alert(1)</script> "&' 제목`,
      snippet: "<img src=x onerror=alert(1)>",
      url: `https://news.example/?a="><script>`,
      thumbnail_url: `https://pictures.example/"onerror="alert(1)`,
      published_at: "2026-11-22T00:00:00.000Z"
    })
    await outside.runPromise(ArticleStore.use((store) => store.save([evil])))
    const response = await fetch(`${api.address}/news`, { headers: { "accept-language": "ko" } })
    const html = await response.text()
    expect(response.status).toBe(200)
    expect(response.headers.get("content-security-policy")).toContain("default-src 'self'")
    expect(html).toContain('<html lang="ko">')
    expect(html.match(/data-testid="article"/g)).toHaveLength(12)
    expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt; &quot;&amp;&#39; 제목")
    expect(html.replaceAll('<script type="module" src="/news/assets/news.js"></script>', "")).not.toMatch(
      /<script|<img src=x|"onerror/
    )
    const more = /data-testid="more"[^>]*href="([^"]+)"/.exec(html)?.[1]?.replaceAll("&amp;", "&") ?? ""
    const second = await (await fetch(`${api.address}${more}`)).text()
    expect(second.match(/data-testid="article"/g)).toHaveLength(12)
    const english = await (await fetch(`${api.address}/news?category=ai&lang=en`)).text()
    expect(english).toContain('<html lang="en">')
    expect(english).toMatch(/category=ai&amp;lang=en"[^>]*aria-current="page"/)
    expect((await fetch(`${api.address}/news?category=sports`)).status).toBe(400)
    for (const file of ["news.js", "style.css", "icon.svg"]) {
      expect((await fetch(`${api.address}/news/assets/${file}`)).status).toBe(200)
    }
    expect((await fetch(`${api.address}/news/assets/document.ts`)).status).toBe(404)
  })
})
