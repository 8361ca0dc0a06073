/** Which sources a configuration turns on. */
import { afterAll, beforeAll, expect, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import * as NewsSources from "../../../packages/news/src/source/NewsSources.ts"
import { FakeNews } from "../../harness/FakeNews.ts"
import { sourcesOf } from "./NewsSourceContract.ts"

let news: FakeNews
beforeAll(async () => {
  news = await FakeNews.start()
})
afterAll(() => news.close())

const read = (env: Record<string, string>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    const { off, on } = yield* Effect.provide(
      NewsSources.NewsSources,
      sourcesOf(news, env).pipe(Layer.provide(Logger.layer([logger])))
    )
    return { on: [...on.keys()], off: Object.fromEntries(off), lines: lines.length }
  })

it.effect("all sources are on when everything is set", () =>
  Effect.gen(function* () {
    expect(yield* read(news.env)).toEqual({ on: ["naver", "newsdata", "rss"], off: {}, lines: 0 })
  })
)

it.effect("a source without its key is off, and a log line names the setting it lacks", () =>
  Effect.gen(function* () {
    expect(yield* read({ NAVER_CLIENT_ID: "id", NEWSDATA_API_KEY: " " })).toEqual({
      on: [],
      off: { naver: "NAVER_CLIENT_SECRET", newsdata: "NEWSDATA_API_KEY", rss: "NEWS_FEEDS" },
      lines: 3
    })
  })
)

it.effect("the searches are the configured ones, and NewsData gets those in English", () =>
  Effect.gen(function* () {
    const { on } = yield* Effect.provide(
      NewsSources.NewsSources,
      sourcesOf(news, { ...news.env, NEWS_QUERY_AI: "기후 인공지능 | green AI | AI water" })
    )
    const searches = (source: "naver" | "newsdata") =>
      on.get(source)?.queries.flatMap(({ category, text }) => (category === "ai" ? [text] : []))
    expect([searches("naver"), searches("newsdata")]).toEqual([
      ["기후 인공지능", "green AI", "AI water"],
      ["green AI", "AI water"]
    ])
  })
)

it.effect("a wrong setting of a source is refused by its name", () =>
  Effect.gen(function* () {
    const wrong = { NEWS_FEEDS: "not a url", NAVER_BASE_URL: "ftp://x.example", NEWS_QUERY_AI: "|" }
    for (const [name, value] of Object.entries(wrong)) {
      const failure = yield* Effect.flip(Effect.provide(NewsSources.NewsSources, sourcesOf(news, { [name]: value })))
      expect(String(failure)).toContain(name)
    }
    for (const name of ["NEWS_FEEDS", "NAVER_BASE_URL", "NEWSDATA_BASE_URL"]) {
      const value = "https://ann:hunter2@x.example/a"
      const failure = yield* Effect.flip(Effect.provide(NewsSources.NewsSources, sourcesOf(news, { [name]: value })))
      expect(String(failure)).toContain(`${name} is "…@x.example/a"`)
    }
  })
)
