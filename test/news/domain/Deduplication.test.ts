/** What counts as the same article; ArticleKeys defines D1 and D2. */
import { describe, expect, it } from "vitest"
import { deduplicate } from "../../../packages/news/src/domain/Deduplication.ts"
import { canonicalUrl } from "../../../packages/news/src/domain/ArticleKeys.ts"
import type { FoundArticle } from "../../../packages/news/src/source/FoundArticle.ts"
import { found } from "../collect/Found.ts"

const count = (...articles: ReadonlyArray<Partial<FoundArticle>>) => deduplicate(articles.map(found)).length

describe("Deduplication", () => {
  it.each([
    "http://www.press.example/a/1?id=7",
    "https://press.example/a/1/?id=7",
    "https://m.press.example/a/1?id=7#comments",
    "https://mobile.press.example/a/1?utm_source=x&id=7&utm_medium=y",
    "https://press.example/a/1?fbclid=abc&id=7&gclid=1",
    "https://press.example:443/a//1?id=7",
    "https://amp.press.example/a/1?id=7",
    "https://press.example/a/1/amp?id=7",
    "https://press.example/amp/a/1?id=7",
    "https://press.example/a/1?id=7&outputType=amp",
    "https://www-press-example.cdn.ampproject.org/c/s/www.press.example/a/1?id=7",
    "https://www.google.com/amp/s/www.press.example/a/1?id=7"
  ])("D1 the address %s is that of the same page", (url) => {
    expect(canonicalUrl(url)).toBe(canonicalUrl("https://press.example/a/1?id=7"))
    expect(count({ url }, { url: "https://press.example/a/1?id=7" })).toBe(1)
  })

  it.each([
    "https://press.example/a/1",
    "https://press.example/a/1?id=8",
    "https://press.example/a/11?id=7",
    "https://press.example/A/1?id=7",
    "https://other.example/a/1?id=7",
    "https://press.example:8443/a/1?id=7",
    "https://press.example/a/1?page=2&id=7",
    "https://press.example/camp?id=7"
  ])("D1 the address %s is that of another page", (url) => {
    expect(canonicalUrl(url)).not.toBe(canonicalUrl("https://press.example/a/1?id=7"))
  })

  it.each([
    "https://a.example/1?utm_source=x&id=7&utm_medium=y#z",
    "https://a.example/view?utm_source=rss&q=%B0%A1%20b+c",
    "https://a.example/1?share=%7e&ref=x"
  ])("the address %s is stored as it came", (url) => {
    expect(deduplicate([found({ url })]).map((article) => article.url)).toEqual([url])
  })

  it.each([
    ["https://a.example/#/news/1", "https://a.example/#/news/2"],
    ["https://a.example/#!/news/1", "https://a.example/"],
    ["https://a.example/view?ref=1", "https://a.example/view?ref=2"],
    ["https://a.example/?share=1", "https://a.example/"],
    // two words in EUC-KR, neither of them UTF-8
    ["https://a.example/?q=%B0%A1", "https://a.example/?q=%B0%A2"]
  ])("D1 %s and %s are two articles", (url, other) => {
    expect(count({ url }, { url: other })).toBe(2)
  })

  it("D1 a page's parameters may stand in any order", () => {
    expect(canonicalUrl("https://a.example/?b=2&a=1")).toBe(canonicalUrl("https://a.example/?a=1&b=2"))
  })

  it.each<readonly [Partial<FoundArticle>, Partial<FoundArticle>]>([
    [{ title: "재활용 선별장에 로봇 들어온다" }, { title: "<b>재활용</b> 선별장에  로봇 들어온다!" }],
    [{ title: "“재활용” 선별장에 로봇 들어온다" }, { title: "'재활용' 선별장에 로봇 들어온다…" }],
    [{ title: "재활용 선별장에 로봇 들어온다 - 초록일보" }, { title: "재활용 선별장에 로봇 들어온다" }],
    [{ title: "재활용 선별장에 로봇 들어온다" }, { title: "재활용 선별장에 로봇 들어온다 | 초록일보" }],
    [
      { title: "재활용 선별장에 로봇 들어온다 - 초록일보", source_name: "초록일보" },
      { title: "[푸른신문] 재활용 선별장에 로봇 들어온다", source_name: "푸른신문" }
    ],
    [{ title: "Robots sort 1,000 tons of waste" }, { title: "ROBOTS SORT 1000 TONS OF WASTE" }],
    [{ title: "탄소 배출 １５％ 줄었다" }, { title: "탄소 배출 15% 줄었다" }]
  ])("D2 %j and %j are one article", (first, second) => {
    expect(count(first, second)).toBe(1)
    expect(count(second, first)).toBe(1)
  })

  it.each<readonly [Partial<FoundArticle>, Partial<FoundArticle>]>([
    [{ title: "탄소 배출 15% 줄었다고 발표" }, { title: "탄소 배출 16% 줄었다고 발표" }],
    [{ title: "지구 기온 1.5도 올랐다는 보고서" }, { title: "지구 기온 15도 올랐다는 보고서" }],
    [{ title: "재활용 정책 설명회 - 서울" }, { title: "재활용 정책 설명회 - 부산" }],
    [{ title: "재활용 정책 설명회 - 3차" }, { title: "재활용 정책 설명회" }],
    [{ title: "[사설]" }, { title: "[사설]" }],
    [{ title: "오늘 아침 기온 -5도 안팎" }, { title: "오늘 아침 기온 +5도 안팎" }],
    [{ title: "오늘 아침 기온 −5도 안팎" }, { title: "오늘 아침 기온 5도 안팎" }],
    [{ title: "[포토] 활짝 핀 벚꽃 보러 온 시민들" }, { title: "[포토] 활짝 핀 벚꽃 보러 온 시민들" }],
    [{ title: "Photos: a river comes back to life" }, { title: "Photos: a river comes back to life" }],
    [{ title: "दिल्ली में प्रदूषण की मार" }, { title: "दिल्ली में प्रदूषण का मेर" }],
    [
      { title: "재활용 선별장에 로봇 들어온다" },
      { title: "재활용 선별장에 로봇 들어온다", published_at: "2026-11-22T05:30:00.001Z" }
    ],
    // a column of each morning
    [
      { title: "[사설] 오늘의 환경 이야기" },
      { title: "[사설] 오늘의 환경 이야기", published_at: "2026-11-22T09:20:00.000Z" }
    ]
  ])("D2 %j and %j are two articles", (first, second) => {
    expect(count(first, second)).toBe(2)
    expect(count(second, first)).toBe(2)
  })

  it("D2 equal titles 20 hours apart, or within one day of UTC, are one article, in either order", () => {
    const title = "재활용 선별장에 로봇 들어온다"
    const times = [
      ["2026-11-21T09:30:00.000Z", "2026-11-22T05:30:00.000Z"],
      ["2026-11-21T00:00:00.000Z", "2026-11-21T23:59:59.999Z"]
    ]
    for (const [one = "", other = ""] of times) {
      expect(count({ title, published_at: one }, { title, published_at: other })).toBe(1)
      expect(count({ title, published_at: other }, { title, published_at: one })).toBe(1)
    }
  })

  it("of equal articles the first is kept, completed with what only the others have, in order of appearance", () => {
    const url = "https://press.example/same"
    const kept = deduplicate([
      found({ id: "a", url }),
      found({ id: "b" }),
      found({ id: "c", url: `${url}?utm_source=x`, thumbnail_url: "https://images.example/c.jpg", snippet: "요약" })
    ])
    expect(kept.map(({ id, snippet, thumbnail_url }) => [id, snippet, thumbnail_url])).toEqual([
      ["a", "요약", "https://images.example/c.jpg"],
      ["b", "", null]
    ])
  })

  it("two articles with one id are one article", () => {
    expect(count({ id: "same" }, { id: "same" })).toBe(1)
  })
})
