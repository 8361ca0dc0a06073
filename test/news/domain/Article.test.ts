/** An article is decoded from plain JSON; one that could not be stored or shown is refused. */
import { describe, expect, it } from "vitest"
import { Schema } from "effect"
import { Article, publishedMillis } from "../../../packages/news/src/domain/Article.ts"

const article: Article = {
  id: "naver_0123456789ab",
  url: "https://news.example/a/1",
  title: "투명 페트병 따로 모으기, 올해부터 단독주택도",
  snippet: "",
  source: "naver",
  source_name: null,
  source_icon_url: null,
  thumbnail_url: null,
  video_url: null,
  category: "environment",
  keywords: ["분리배출"],
  ai_tag: null,
  published_at: "2026-11-21T09:30:00.000Z"
}
const accepts = Schema.is(Article)

describe("Article", () => {
  it("an article is read from JSON unchanged", () => {
    expect(Schema.decodeUnknownSync(Article)(JSON.parse(JSON.stringify(article)))).toEqual(article)
    expect(publishedMillis(article)).toBe(Date.UTC(2026, 10, 21, 9, 30))
  })

  it.each<readonly [what: string, change: Partial<Record<keyof Article, unknown>>]>([
    ["an id longer than its column", { id: "a".repeat(65) }],
    ["an id a cursor could not carry", { id: "a b" }],
    ["an address that is no web page", { url: "javascript:alert(1)" }],
    ["an address with NUL, which no store takes", { url: "https://news.example/a\0" }],
    ["a picture's address with half of a surrogate pair", { thumbnail_url: "https://news.example/\ud83d.jpg" }],
    ["a picture's address that is too long", { thumbnail_url: `https://a.example/${"x".repeat(2083)}` }],
    ["a snippet over 500 characters", { snippet: "x".repeat(501) }],
    ["an unknown category", { category: "sports" }],
    ["a time of another zone", { published_at: "2026-11-21T18:30:00+09:00" }],
    ["a wrong time", { published_at: "yesterday" }]
  ])("an article with %s is refused", (_, change) => {
    expect(accepts({ ...article, ...change })).toBe(false)
  })
})
