/**
 * The contract suite of NewsSource, whose claims hold for every source. Each source's test file runs it on its own source, against
 * FakeNews.
 */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { Source } from "../../../packages/news/src/domain/Article.ts"
import { FoundArticle } from "../../../packages/news/src/source/FoundArticle.ts"
import type { NewsSource } from "../../../packages/news/src/source/NewsSource.ts"
import * as NewsSources from "../../../packages/news/src/source/NewsSources.ts"
import { FakeNews } from "../../harness/FakeNews.ts"

/** TestClock starts in 1970; the articles are of this day. */
const today = Date.UTC(2026, 10, 21, 12)

/** The sources as a worker gets them. */
export const sourcesOf = (news: FakeNews, env: Record<string, string> = news.env) =>
  NewsSources.layer.pipe(
    Layer.provide(news.guard()),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
  )

export interface Subject {
  readonly name: Source
  /** A reply of the source with three items: the first and the last valid, the second without a title and a text. */
  readonly withOneBad: string
  /** A reply of one item, its title `<b>환경</b> &amp;quot;뉴스&amp;quot; &lt;1.5도&gt;<script>x()</script>` escaped as the source does. */
  readonly withMarkup: string
  /** A reply of one item with a picture at this address; null if the source has no pictures. */
  readonly withPicture: ((url: string) => string) | null
}

export const newsSourceContract = ({ name, withMarkup, withOneBad, withPicture }: Subject) => {
  let news: FakeNews
  beforeAll(async () => {
    news = await FakeNews.start()
  })
  afterAll(() => news.close())

  const using = <A, E>(use: (source: NewsSource) => Effect.Effect<A, E>, env?: Record<string, string>) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(today)
      const source = (yield* NewsSources.NewsSources).on.get(name)
      if (source === undefined) throw new Error(`${name} is off`)
      return yield* use(source)
    }).pipe(Effect.provide(sourcesOf(news, env)))
  const first = (source: NewsSource) => {
    const [query] = source.queries
    if (query === undefined) throw new Error(`${name} asks nothing`)
    return source.find(query)
  }
  const answered = (body: string, status = 200, headers: Record<string, string> = {}) =>
    Effect.suspend(() => {
      news.next(name, { _tag: "Http", status, body, headers })
      return using(first)
    })

  describe(`${name}, as any source`, () => {
    it.effect("the articles found are plain text, dated and of this source", () =>
      Effect.gen(function* () {
        const { articles, rejected, unchanged } = yield* using(first)
        expect(articles.length).toBeGreaterThan(3)
        expect([rejected, unchanged]).toEqual([{}, false])
        for (const article of articles) {
          expect(Schema.is(FoundArticle)(article)).toBe(true)
          expect(article.source).toBe(name)
          expect(`${article.title} ${article.snippet}`).not.toMatch(/<b>|<p>|&(quot|amp|lt);/)
          expect(article.published_at.slice(0, 10)).toBe("2026-11-21")
          expect(article.source_name).not.toBe(null)
        }
      })
    )

    it.effect("the same articles are found with the same ids", () =>
      Effect.gen(function* () {
        const ids = Effect.map(using(first), ({ articles }) => articles.map(({ id }) => id))
        expect(yield* ids).toEqual(yield* ids)
      })
    )

    it.effect("each query is one request", () =>
      Effect.gen(function* () {
        const before = news.calls.length
        yield* using((source) => Effect.forEach(source.queries, (query) => source.find(query)))
        const asked = yield* using((source) => Effect.succeed(source.queries.length))
        expect(news.calls.length - before).toBe(asked)
      })
    )

    it.effect("an item that cannot be read is counted, and the others are found", () =>
      Effect.gen(function* () {
        const { articles, rejected } = yield* answered(withOneBad)
        expect([articles.length, Object.values(rejected)]).toEqual([2, [1]])
      })
    )

    it.effect("titles are without markup, keep what is meant, and carry no script", () =>
      Effect.gen(function* () {
        const { articles } = yield* answered(withMarkup)
        expect(articles.map(({ title }) => title)).toEqual(['환경 "뉴스" <1.5도>'])
      })
    )

    if (withPicture !== null) {
      it.effect("a picture's address is kept only where it is public, http and short", () =>
        Effect.gen(function* () {
          const kept = (url: string) =>
            Effect.map(answered(withPicture(url)), ({ articles }) => articles[0]?.thumbnail_url)
          expect(yield* kept("https://images.example/a.jpg")).toBe("https://images.example/a.jpg")
          const others = [
            "http://127.0.0.1/a.jpg",
            "http://[::1]/a.jpg",
            "http://localhost/a.jpg",
            "ftp://images.example/a.jpg",
            `https://images.example/${"a".repeat(2083)}.jpg`
          ]
          for (const url of others) expect([url, yield* kept(url)]).toEqual([url, null])
        })
      )
    }

    it.effect("a 429 fails as SourceRateLimited, with the reply's Retry-After", () =>
      Effect.gen(function* () {
        const limited = yield* Effect.flip(answered("", 429, { "retry-after": "7" }))
        expect(limited).toMatchObject({ _tag: "SourceRateLimited", source: name, retryAfterMillis: 7000 })
        expect(yield* Effect.flip(answered("", 429))).toMatchObject({ retryAfterMillis: null })
      })
    )

    it.effect("a 5xx fails as SourceUnavailable, with the reply's Retry-After", () =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(answered("", 503, { "retry-after": "120" }))).toMatchObject({
          _tag: "SourceUnavailable",
          retryAfterMillis: 120_000
        })
        expect(yield* Effect.flip(answered("", 500))).toMatchObject({ _tag: "SourceUnavailable" })
      })
    )

    it.effect("a 400, 401, 403 or 404 fails as SourceRefused", () =>
      Effect.gen(function* () {
        for (const status of [400, 401, 403, 404]) {
          expect((yield* Effect.flip(answered("", status)))._tag).toBe("SourceRefused")
        }
      })
    )

    it.effect("a reply of another format, cut off or too large fails as SourceReplyInvalid", () =>
      Effect.gen(function* () {
        for (const body of ["<!doctype html><html></html>", "", "{}", `${withOneBad}${" ".repeat(5 * 1024 * 1024)}`]) {
          expect((yield* Effect.flip(answered(body)))._tag).toBe("SourceReplyInvalid")
        }
      })
    )

    it.effect("a broken connection fails as SourceUnavailable", () =>
      Effect.gen(function* () {
        news.next(name, { _tag: "Drop" })
        expect((yield* Effect.flip(using(first)))._tag).toBe("SourceUnavailable")
      })
    )

    it.effect("ten seconds of silence fail as SourceUnavailable", () =>
      Effect.gen(function* () {
        news.next(name, { _tag: "Hang" })
        const arrived = news.waitForCall(news.calls.length + 1)
        const fiber = yield* Effect.forkChild(Effect.flip(using(first)))
        yield* Effect.promise(() => arrived)
        yield* TestClock.adjust("10 seconds")
        expect((yield* Fiber.join(fiber))._tag).toBe("SourceUnavailable")
      })
    )

    it.effect("a failure does not repeat the key", () =>
      Effect.gen(function* () {
        const failures = [
          yield* Effect.flip(answered("naver-secret newsdata-secret", 403)),
          yield* Effect.flip(answered("naver-secret newsdata-secret"))
        ]
        news.next(name, { _tag: "Drop" })
        failures.push(yield* Effect.flip(using(first)))
        for (const failure of failures) expect(`${JSON.stringify(failure)} ${failure.message}`).not.toContain("secret")
      })
    )
  })

  return { news: () => news, using, answered }
}
