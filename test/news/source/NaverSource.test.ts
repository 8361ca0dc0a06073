import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { newsSourceContract } from "./NewsSourceContract.ts"

const item = (change: Record<string, unknown> = {}, n = 1) => ({
  title: `새 소식 ${n}`,
  originallink: `https://www.press.example/a/${n}`,
  link: `https://n.news.example/mnews/article/001/${n}`,
  description: "본문",
  pubDate: "Sat, 21 Nov 2026 18:30:00 +0900",
  ...change
})
const reply = (...items: ReadonlyArray<unknown>) => JSON.stringify({ total: items.length, items })

const { answered, news, using } = newsSourceContract({
  name: "naver",
  withOneBad: reply(item(), item({ title: "", description: null }, 2), item({}, 3)),
  withMarkup: reply(item({ title: "<b>환경</b> &amp;quot;뉴스&amp;quot; &lt;1.5도&gt;<script>x()</script>" })),
  withPicture: null
})

it.effect("Naver is asked for the newest 30 by all six searches, with the application's id and secret", () =>
  Effect.gen(function* () {
    const before = news().calls.length
    yield* using((source) => Effect.forEach(source.queries, (query) => source.find(query)))
    const calls = news().calls.slice(before)
    expect(calls.map(({ url }) => url.searchParams.get("query"))).toEqual([
      "환경 분리배출 재활용",
      "environment recycling waste",
      "신재생에너지 태양광",
      "renewable energy climate",
      "인공지능 환경",
      "AI sustainability"
    ])
    for (const { headers, url } of calls) {
      expect([url.pathname, url.searchParams.get("display"), url.searchParams.get("sort")]).toEqual([
        "/v1/search/news.json",
        "30",
        "date"
      ])
      expect([headers["x-naver-client-id"], headers["x-naver-client-secret"]]).toEqual(["naver-id", "naver-secret"])
    }
  })
)

it.effect("a Naver article has the id and address of its original link, or of Naver's page where it has none", () =>
  Effect.gen(function* () {
    const { articles } = yield* answered(reply(item(), item({ originallink: "" }, 2)))
    const md5 = (text: string) => createHash("md5").update(text).digest("hex").slice(0, 12)
    expect(articles.map(({ id, source_name, url }) => [id, url, source_name])).toEqual([
      [`naver_${md5("https://www.press.example/a/1")}`, "https://www.press.example/a/1", "press.example"],
      [
        `naver_${md5("https://n.news.example/mnews/article/001/2")}`,
        "https://n.news.example/mnews/article/001/2",
        "n.news.example"
      ]
    ])
  })
)

it.effect("a Naver article dated in the future, or without a date that can be read, is dated now", () =>
  Effect.gen(function* () {
    const { articles, rejected } = yield* answered(
      reply(
        item({ pubDate: "Sun, 21 Nov 2027 18:30:00 +0900" }),
        item({ pubDate: "soon" }, 2),
        item({ pubDate: null }, 3)
      )
    )
    const now = "2026-11-21T12:00:00.000Z"
    expect([articles.map(({ published_at }) => published_at), rejected]).toEqual([[now, now, now], {}])
  })
)

it.effect(
  "a Naver item is read without an original link, with one that lacks its scheme, and without a description",
  () =>
    Effect.gen(function* () {
      const { articles, rejected } = yield* answered(
        reply(
          item({ originallink: null }),
          item({ originallink: "www.press.example/a/2?id=%B0%A1", description: null }, 2),
          item({ originallink: "//press.example/a/3", description: null }, 3),
          item({ originallink: "press.example", link: null }, 4),
          item({ originallink: null, link: null }, 5)
        )
      )
      expect(articles.map(({ url }) => url)).toEqual([
        "https://n.news.example/mnews/article/001/1",
        "http://www.press.example/a/2?id=%B0%A1",
        "http://press.example/a/3",
        "http://press.example"
      ])
      expect(rejected).toEqual({ address: 1 })
    })
)

it.effect("a redirect of Naver's API is not followed, so that the key is not sent elsewhere", () =>
  Effect.gen(function* () {
    const failure = yield* Effect.flip(answered("", 302, { location: "https://elsewhere.example/" }))
    expect(failure._tag).toBe("SourceRefused")
  })
)
