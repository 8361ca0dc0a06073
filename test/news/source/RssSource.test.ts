import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { encodeKorean } from "../../harness/EncodeKorean.ts"
import * as Charset from "../../../packages/news/src/domain/Charset.ts"
import { sampleFeed } from "../../../packages/news/src/source/RssSource.ts"
import { newsSourceContract } from "./NewsSourceContract.ts"

const item = (change: Record<string, string> = {}, n = 1) => {
  const fields = {
    title: `새 소식 ${n}`,
    link: `https://www.press.example/a/${n}`,
    guid: `g${n}`,
    pubDate: "Sat, 21 Nov 2026 18:30:00 +0900",
    ...change
  }
  const tags = Object.entries(fields).filter(([name]) => name !== "raw")
  return `<item>${tags.map(([name, text]) => `<${name}>${text}</${name}>`).join("")}${change.raw ?? ""}</item>`
}
const reply = (...items: ReadonlyArray<string>) =>
  `<?xml version="1.0"?><rss version="2.0"><channel><title>초록</title>${items.join("")}</channel></rss>`

const { answered, news, using } = newsSourceContract({
  name: "rss",
  withOneBad: reply(item(), item({ title: "" }, 2), item({}, 3)),
  withMarkup: reply(
    item({ title: "<![CDATA[<b>환경</b> &amp;quot;뉴스&amp;quot; &lt;1.5도&gt;<script>x()</script>]]>" })
  ),
  withPicture: (url) => reply(item({ raw: `<media:content medium="image" url="${url}"/>` }))
})

it.effect("an unchanged feed is not sent again", () =>
  Effect.gen(function* () {
    const again = yield* using((source) =>
      Effect.gen(function* () {
        const [query] = source.queries
        if (query === undefined) throw new Error("no feed")
        const { validators } = yield* source.find(query)
        expect(validators).toEqual({ etag: '"v1"', last_modified: "Sat, 21 Nov 2026 00:00:00 GMT" })
        return yield* source.find(query, { validators, movedTo: null })
      })
    )
    expect([again.articles, again.unchanged, again.validators?.etag]).toEqual([[], true, '"v1"'])
    expect(news().calls.at(-1)?.headers["if-modified-since"]).toBe("Sat, 21 Nov 2026 00:00:00 GMT")
  })
)

it.effect("an Atom feed is read: the page among the links, HTML content, categories, relative addresses", () =>
  Effect.gen(function* () {
    const { articles } =
      yield* answered(`<feed xmlns="http://www.w3.org/2005/Atom"><title>녹색</title><icon>/icon.png</icon>
      <entry><id>urn:1</id><title type="html">&lt;b&gt;태양광&lt;/b&gt;</title><link rel="self" href="/self"/>
      <link href="../a/1"/><link rel="enclosure" type="image/png" href="https://images.example/1.png"/>
      <source><title>다른 곳</title><link href="https://other.example/"/></source>
      <summary type="xhtml"><div>첫 <b>문장</b></div></summary><category term="에너지"/><updated>2026-11-21T09:30:00Z</updated></entry></feed>`)
    expect(articles).toEqual([
      expect.objectContaining({
        title: "태양광",
        url: `${news().url}/a/1`,
        snippet: "첫 문장",
        thumbnail_url: "https://images.example/1.png",
        own_category: "energy",
        keywords: ["에너지"],
        source_name: "녹색",
        published_at: "2026-11-21T09:30:00.000Z"
      })
    ])
  })
)

it.effect("a feed's XML entities are neither expanded nor fetched", () =>
  Effect.gen(function* () {
    const laughs = Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join("")
    const { articles } = yield* answered(
      `<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY l0 "lol"><!ENTITY passwd SYSTEM "file:///etc/passwd">${laughs}]>${reply(
        item({ description: "&passwd; &l9; 끝" })
      ).slice(21)}`
    )
    expect(articles[0]?.snippet).toBe("&passwd; &l9; 끝")
  })
)

it.effect("a feed's dates are read in its ways of writing them, and without a zone as Korea's", () =>
  Effect.gen(function* () {
    const dates = [
      "2026-11-21 18:30:00",
      "2026-11-21T18:30",
      "Sat, 21 Nov 2026 18:30:00",
      "Sat, 21 Nov 2026 18:30:00 KST"
    ]
    const zoned = ["2026-11-21T09:30:00Z", "Sat, 21 Nov 2026 09:30:00 GMT", "Sat, 21 Nov 2026 04:30:00 EST"]
    const items = [...dates, ...zoned].map((pubDate, n) => item({ pubDate }, n))
    const { articles } = yield* answered(reply(...items))
    expect(articles.map(({ published_at }) => published_at)).toEqual(items.map(() => "2026-11-21T09:30:00.000Z"))
  })
)

it.effect("the sample feed is in Korean, marked as an example, and asks no server", () =>
  Effect.gen(function* () {
    const before = news().calls.length
    const { articles, rejected } = yield* using(
      (source) => source.find(source.queries[0] ?? { source: "rss", text: sampleFeed, category: null }),
      { NEWS_SAMPLE: "true" }
    )
    expect(articles.length).toBeGreaterThanOrEqual(12)
    expect([rejected, news().calls.length]).toEqual([{}, before])
    for (const { source_name, title, url } of articles) {
      expect([title.startsWith("[예시]"), source_name?.includes("예시"), new URL(url).hostname]).toEqual([
        true,
        true,
        "sample.invalid"
      ])
    }
    expect(new Set(articles.map(({ own_category }) => own_category))).toEqual(new Set(["environment", "energy", "ai"]))
  })
)

it("a document is read in its charset, from the byte order mark, header, meta tag or content", () => {
  const text = "분리배출과 재활용"
  const korean = encodeKorean(text)
  const utf8 = Buffer.from(text)
  expect([
    Charset.decode(utf8, null),
    Charset.decode(utf8, "text/html; charset=UTF-8"),
    Charset.decode(Buffer.concat([Buffer.from("\ufeff"), utf8]), "text/html; charset=euc-kr"),
    Charset.decode(Buffer.from(`\ufeff${text}`, "utf16le"), null),
    Charset.decode(korean, "text/html; charset=ms949"),
    Charset.decode(korean, "text/html; charset=utf-8"),
    Charset.decode(korean, "text/html; charset=nonsense"),
    Charset.decode(korean, null)
  ]).toEqual(Array(8).fill(text))
  for (const word of ['<meta charset="euc-kr">', "<meta http-equiv=x content='text/html; charset=ks_c_5601-1987'>"]) {
    expect(Charset.decode(Buffer.concat([Buffer.from(word), korean]), "text/html")).toBe(word + text)
  }
  // cut off in mid-character
  expect(Charset.decode(utf8.subarray(0, -1), null).startsWith("분리배출과 재활")).toBe(true)
})
