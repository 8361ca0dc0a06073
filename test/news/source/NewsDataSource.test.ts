import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { newsSourceContract } from "./NewsSourceContract.ts"

const item = (change: Record<string, unknown> = {}, n = 1) => ({
  article_id: `id${n}`,
  title: `News ${n}`,
  link: `https://www.press.example/a/${n}`,
  description: "body",
  pubDate: "2026-11-21 09:30:00",
  pubDateTZ: "UTC",
  source_id: "press",
  source_name: "Press",
  source_icon: null,
  image_url: null,
  video_url: null,
  keywords: null,
  category: ["technology"],
  ai_tag: null,
  ...change
})
const reply = (...results: ReadonlyArray<unknown>) => JSON.stringify({ status: "success", totalResults: 1, results })

const { answered, news, using } = newsSourceContract({
  name: "newsdata",
  withOneBad: reply(item(), item({ title: null }, 2), item({}, 3)),
  withMarkup: reply(item({ title: "<b>환경</b> &amp;quot;뉴스&amp;quot; &lt;1.5도&gt;<script>x()</script>" })),
  withPicture: (url) => reply(item({ image_url: url }))
})

it.effect("NewsData is asked for its three English searches, with its key", () =>
  Effect.gen(function* () {
    const before = news().calls.length
    yield* using((source) => Effect.forEach(source.queries, (query) => source.find(query)))
    expect(
      news()
        .calls.slice(before)
        .map(({ url }) => [url.pathname, url.searchParams.get("q"), url.searchParams.get("apikey")])
    ).toEqual(
      ["environment recycling waste", "renewable energy climate", "AI sustainability"].map((words) => [
        "/api/1/latest",
        words,
        "newsdata-secret"
      ])
    )
  })
)

it.effect("a NewsData article has all fields of the reply, with times as UTC", () =>
  Effect.gen(function* () {
    const told = item({
      keywords: ["recycling", "recycling", " waste "],
      category: ["top", "environment"],
      image_url: "https://images.example/a.jpg",
      video_url: "https://video.example/a.mp4",
      source_icon: "https://images.example/icon.png",
      ai_tag: ["climate", "policy"]
    })
    expect((yield* answered(reply(told))).articles).toEqual([
      {
        id: "id1",
        url: "https://www.press.example/a/1",
        title: "News 1",
        snippet: "body",
        source: "newsdata",
        source_name: "Press",
        source_icon_url: "https://images.example/icon.png",
        thumbnail_url: "https://images.example/a.jpg",
        video_url: "https://video.example/a.mp4",
        keywords: ["recycling", "waste"],
        ai_tag: "climate, policy",
        published_at: "2026-11-21T09:30:00.000Z",
        own_category: "environment",
        asked_category: "environment"
      }
    ])
  })
)

it.effect("a NewsData field that the plan does not cover is absent", () =>
  Effect.gen(function* () {
    const sentence = "ONLY AVAILABLE IN PROFESSIONAL AND CORPORATE PLANS"
    const { articles } = yield* answered(reply(item({ description: sentence, ai_tag: sentence, keywords: sentence })))
    expect(articles[0]).toMatchObject({ snippet: "", ai_tag: null, keywords: [], own_category: null })
  })
)
