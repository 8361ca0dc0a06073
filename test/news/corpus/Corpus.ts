/**
 * Corpus: feeds, replies and pages in the forms in which they are published, written anew and small, as tables. Each names one
 * peculiarity and says how it is read: what its first article is, or that it is refused.
 */
import { encodeKorean } from "../../harness/EncodeKorean.ts"

/** How a document is read; fields that are not named do not matter. */
export interface Expected {
  /** Articles; 1 by default. */
  readonly kept?: number
  readonly title?: string
  readonly url?: string
  /** ISO; `found`: the time of reading. */
  readonly published?: string
  readonly picture?: string | null
  /** No article: the document is refused as a whole, or its items with a cause. */
  readonly refused?: true
}
export interface Case {
  readonly name: string
  readonly form: "feed" | "naver" | "page"
  readonly url: string
  readonly contentType: string | null
  readonly bytes: Uint8Array
  readonly expected: Expected
}

const feedUrl = "https://feed.example.com/dir/feed.xml"
const pageUrl = "https://press.example/news/1"
const title = "환경 소식 하나"
const link = "https://n.example/1"
const date = "Fri, 27 Nov 2026 09:30:00 +0900"
const published = "2026-11-27T00:30:00.000Z"

const xml = '<?xml version="1.0" encoding="UTF-8"?>'
const rss = (item: string, channel = "") =>
  `${xml}<rss version="2.0"><channel><title>신문</title><link>https://n.example/</link>${channel}<item>${item}</item></channel></rss>`
const fields = (given: Readonly<Record<string, string>> = {}) =>
  Object.entries({ title, link, pubDate: date, ...given })
    .map(([name, text]) => (text === "" ? "" : `<${name}>${text}</${name}>`))
    .join("")
const atom = (entry: string, attributes = "", feed = "") =>
  `${xml}<feed xmlns="http://www.w3.org/2005/Atom"${attributes}><title>신문</title>${feed}<entry>${entry}</entry></feed>`
const atomFields = `<title>${title}</title><link href="${link}"/><id>x</id><updated>2026-11-27T00:30:00Z</updated>`

const usual: Expected = { title, url: link, published }

const feed = (
  name: string,
  text: string | Uint8Array,
  expected: Expected = usual,
  given: Partial<Pick<Case, "contentType" | "url">> = {}
): Case => ({
  name,
  form: "feed",
  url: feedUrl,
  contentType: "application/xml",
  bytes: typeof text === "string" ? Buffer.from(text) : text,
  expected,
  ...given
})

/** Each is half past nine in the morning of 27 November 2026 in Seoul. */
const moments = [
  ...["Fri, 27 Nov 2026 09:30:00 +0900", "Fri, 27 Nov 2026 09:30:00 JST", "Fri, 27 Nov 2026 01:30:00 BST"],
  ...["Fri, 27 Nov 2026 01:30:00 CET", "Fri, 27 Nov 2026 02:30:00 CEST", "Fri, 27 Nov 2026 06:00:00 IST"],
  ...["Fri, 27 Nov 2026 01:30:00 MET", "Thu, 26 Nov 2026 19:30:00 ET", "Thu, 26 Nov 2026 19:30:00 EST"],
  ...["Thu, 26 Nov 2026 16:30:00 PT", "Fri, 27 Nov 2026 03:30:00 MSK", "Fri, 27 Nov 2026 11:30:00 AEDT"],
  ...["Fri, 27 Nov 2026 08:30:00 SGT", "Thu, 26 Nov 2026 21:30:00 BRT", "Fri, 27 Nov 2026 00:30:00 UT"],
  ...["Fri, 27 Nov 2026 00:30:00 Z", "Fri, 27 Nov 2026 00:30:00 -0000", "Fri, 27 Nov 2026 00:30 GMT"],
  ...["Fri, 27 Nov 2026 09:30:00 kst", "Fri, 27 Nov 2026 09:30:00KST", "Fri, 27 Nov 2026 09:30:00 (KST)"],
  ...["Fri, 27 Nov 2026 09:30:00 +09", "Fri, 27 Nov 2026 09:30:00 +9:00", "Fri, 27 Nov 2026 09:30:00 UTC+9"],
  ...["Fri, 27 Nov 2026 09:30:00 GMT+09:00", "Fri, 27 Nov 2026 09:30:00 Asia/Seoul", "Fri,27 Nov 2026 09:30:00 +0900"],
  ...["Friday, 27 November 2026 9:30:00 +0900", "27 Nov 26 09:30 +0900", "27-Nov-2026 09:30:00", "27 Nov 2026 09:30"],
  ...["Fri Nov 27 2026 00:30:00 GMT+0000 (Coordinated Universal Time)", "Fri Nov 27 09:30:00 KST 2026"],
  ...[
    "Fri Nov 27 2026 09:30:00 GMT+0900 (한국 표준시)",
    "Fri Nov 27 00:30:00 2026 UTC",
    "Fri Nov 27 00:30:00 +0000 2026"
  ],
  ...["Nov 27, 2026 9:30 AM", "November 27, 2026 at 9:30 am KST", "Friday, November 27, 2026 - 09:30"],
  ...["ven., 27 nov. 2026 01:30:00 +0100", "vendredi 27 novembre 2026 à 09h30", "Sex, 27 Nov 2026 09:30:00 +0900"],
  ...["27 de novembro de 2026 09:30", "Freitag, 27. November 2026 09:30", "vie, 27 nov 2026 09:30:00 +0900"],
  ...["2026-11-27T00:30:00Z", "2026-11-27T00:30:00.000Z", "2026-11-27T00:30:00+00:00", "2026-11-27T09:30:00+0900"],
  ...["2026-11-27T09:30:00+09", "2026-11-27T09:30:00 +09:00", "2026-11-27 09:30:00 +0900", "2026-11-27 09:30:00 KST"],
  ...["2026-11-27 09:30:00", "2026-11-27T09:30", "2026-11-27 09:30:00.0", "2026-11-27T09:30:00+09:00[Asia/Seoul]"],
  ...[
    "2026/11/27 09:30",
    "2026.11.27 09:30:00",
    "2026. 11. 27. 오전 9:30",
    "2026-11-27 AM 09:30",
    "2026-11-27 오전 9:30"
  ],
  ...[
    "2026년 11월 27일 09:30",
    "2026년 11월 27일(금) 오전 9시 30분",
    "2026년11월27일 09시30분",
    "2026-11-27(금) 09:30"
  ],
  ...["2026-11-27 09:30 입력", "20261127093000", "20261127T003000Z", "1795739400", "1795739400000", "27/11/2026 09:30"]
]
/** And dates of other moments. */
const otherMoments: ReadonlyArray<readonly [text: string, published: string]> = [
  ["2026-11-27 오후 3:30", "2026-11-27T06:30:00.000Z"],
  ["2026년 11월 27일 15:30", "2026-11-27T06:30:00.000Z"],
  ["2026-11-27 오전 12:10", "2026-11-26T15:10:00.000Z"],
  ["2026-11-27 오후 12:10", "2026-11-27T03:10:00.000Z"],
  ["Thu, 26 Nov 2026 20:15:04 Z", "2026-11-26T20:15:04.000Z"],
  ["Thu, 26 Nov 2026 20:15:04  GMT", "2026-11-26T20:15:04.000Z"],
  ["27 Nov 2026", "2026-11-26T15:00:00.000Z"],
  ["2026-11-27", "2026-11-26T15:00:00.000Z"],
  ["20261127", "2026-11-26T15:00:00.000Z"],
  ["Fri, 26 Nov 2026 24:00:00 +0900", "2026-11-26T15:00:00.000Z"],
  ["Thu, 16 Jul 2026 20:30:00 ET", "2026-07-17T00:30:00.000Z"],
  ["sam., 15 août 2026 10:00:00 +0200", "2026-08-15T08:00:00.000Z"],
  ["dim., 1 févr. 2026 10:00:00 +0100", "2026-02-01T09:00:00.000Z"],
  ["mar., 24 nov. 2026 10:00:00 +0100", "2026-11-24T09:00:00.000Z"],
  ["Ter, 03 Fev 2026 10:00:00 -0300", "2026-02-03T13:00:00.000Z"],
  ["1 de março de 2026", "2026-02-28T15:00:00.000Z"],
  ["Sáb, 05 Set 2026 10:00:00 -0300", "2026-09-05T13:00:00.000Z"],
  ["Do, 15 Okt 2026 10:00:00 +0200", "2026-10-15T08:00:00.000Z"],
  ["Di, 03 Mär 2026 10:00:00 +0100", "2026-03-03T09:00:00.000Z"]
]
const noMoments = ["soon", "yesterday", "2026-13-01", "31 Jun 2026", "05/06/2026", "0000-00-00 00:00:00", "-", "12"]

const dates: ReadonlyArray<Case> = [
  ...moments.map((text) => feed(`date: ${text}`, rss(fields({ pubDate: text })), { published })),
  ...otherMoments.map(([text, moment]) => feed(`date: ${text}`, rss(fields({ pubDate: text })), { published: moment })),
  ...noMoments.map((text) => feed(`no date: ${text}`, rss(fields({ pubDate: text })), { published: "found" })),
  feed("no date at all", rss(fields({ pubDate: "" }), `<lastBuildDate>${date}</lastBuildDate>`), {
    published: "found"
  }),
  feed("a date of the future", rss(fields({ pubDate: "Sat, 27 Nov 2027 09:30:00 +0900" })), { published: "found" }),
  ...["dc:date", "dcterms:created", "dcterms:issued", "dcterms:modified", "atom:updated", "atom:published"].map(
    (name) => feed(`date in ${name}`, rss(fields({ pubDate: "", [name]: "2026-11-27T00:30:00Z" })), usual)
  ),
  feed(
    "a date that cannot be read, and one that can",
    rss(fields({ pubDate: "soon", "dc:date": "2026-11-27T00:30:00Z" }))
  ),
  feed("two dates", rss(`${fields()}<pubDate>Thu, 26 Nov 2026 09:30:00 +0900</pubDate>`))
]

const text = rss(fields())
const undeclared = text.replace(xml, "")
const declaring = (name: string) => text.replace("UTF-8", name)
const swapped = (bytes: Buffer) => Buffer.from(bytes).swap16()
const broken = (bytes: Buffer, at: Buffer) => {
  const place = bytes.indexOf(at) + at.length
  return Buffer.concat([bytes.subarray(0, place), Buffer.of(0xff), bytes.subarray(place)])
}
/** Of windows-1252, what is not in Latin 1. */
const windows: ReadonlyMap<string, number> = new Map([
  ["’", 0x92],
  ["“", 0x93],
  ["”", 0x94],
  ["–", 0x96]
])
const charsets: ReadonlyArray<Case> = [
  ...["UTF-8", "utf8", "euc-kr", "iso-8859-1", "windows-1252", "shift_jis", "nonsense", "utf-16"].map((name) =>
    feed(`UTF-8 that says ${name}`, declaring(name))
  ),
  ...["application/xml; charset=euc-kr", "text/xml; charset=iso-8859-1", 'text/xml;charset="utf-8"', null].map((type) =>
    feed(`UTF-8 sent as ${type}`, text, usual, { contentType: type })
  ),
  ...["euc-kr", "EUC-KR", "cp949", "ms949", "uhc", "ks_c_5601-1987", "x-windows-949", "windows-949", "euc_kr"].map(
    (name) => feed(`EUC-KR that says ${name}`, encodeKorean(declaring(name)))
  ),
  ...["utf-8", "nonsense", "utf-16"].map((name) => feed(`EUC-KR that says ${name}`, encodeKorean(declaring(name)))),
  feed("EUC-KR undeclared", encodeKorean(undeclared)),
  feed("EUC-KR by the header alone", encodeKorean(undeclared), usual, { contentType: "text/xml; charset=EUC-KR" }),
  ...["똠방각하 환경", "뷁 환경", "펲시콜라의 재활용", "햏햏 분리배출", "믜 에너지"].map((word) =>
    feed(`CP949: ${word}`, encodeKorean(rss(fields({ title: word })).replace("UTF-8", "euc-kr")), { title: word })
  ),
  feed("CP949 undeclared", encodeKorean(rss(fields({ title: "똠방각하와 환경" })).replace(xml, "")), {
    title: "똠방각하와 환경"
  }),
  feed("UTF-8 with a byte order mark", Buffer.from(`\ufeff${declaring("euc-kr")}`)),
  feed("UTF-16 with a byte order mark", Buffer.from(`\ufeff${declaring("utf-16")}`, "utf16le")),
  feed("UTF-16, the other order", swapped(Buffer.from(`\ufeff${declaring("utf-16")}`, "utf16le"))),
  feed("UTF-16 without a mark", Buffer.from(declaring("utf-16"), "utf16le")),
  feed("UTF-16 without a mark, the other order", swapped(Buffer.from(undeclared, "utf16le"))),
  feed("one broken byte in UTF-8", broken(Buffer.from(text), Buffer.from("환경")), { title: "환경\ufffd 소식 하나" }),
  feed("one broken byte in EUC-KR", broken(encodeKorean(declaring("euc-kr")), encodeKorean("환경")), {
    title: "환경\ufffd 소식 하나"
  }),
  feed("one broken byte in undeclared EUC-KR", broken(encodeKorean(undeclared), encodeKorean("환경")), {
    title: "환경\ufffd 소식 하나"
  }),
  ...["München führt Ökostrom ein", "Énergie: l’été sera très sec", "“Zero waste” – it’s here"].map((word) => {
    const text_ = rss(fields({ title: word }))
      .replace(xml, "")
      .replaceAll("신문", "Zeitung")
    const bytes = Buffer.from(Array.from(text_, (character) => windows.get(character) ?? character.charCodeAt(0)))
    return feed(`windows-1252 undeclared: ${word}`, bytes, { title: word })
  }),
  feed(
    "Shift_JIS declared",
    Buffer.concat([
      Buffer.from(`<?xml version="1.0" encoding="shift_jis"?><rss><channel><item><link>${link}</link><title>`),
      Buffer.of(0x8a, 0xc2, 0x8b, 0xab),
      Buffer.from("</title></item></channel></rss>")
    ]),
    { title: "環境" }
  ),
  feed(
    "ISO-2022-JP declared",
    Buffer.concat([
      Buffer.from(`<?xml version="1.0" encoding="iso-2022-jp"?><rss><channel><item><link>${link}</link><title>`),
      Buffer.from("\x1b$B4D6-\x1b(B", "latin1"),
      Buffer.from("</title></item></channel></rss>")
    ]),
    { title: "環境" }
  )
]

const structures: ReadonlyArray<Case> = [
  feed("RSS 2.0", text),
  feed("a script after the end", `${text}<script src="https://ads.example/x.js"></script>`),
  feed("text after the end", `${text}\n<!-- served in 3 ms -->\n<html><body>x</body></html>`),
  feed("spaces and a comment before it", `\n\n  <!-- hello -->${undeclared}`),
  feed("a style sheet before it", text.replace("?>", '?><?xml-stylesheet href="/feed.xsl" type="text/xsl"?>')),
  feed(
    "a document type before it",
    text.replace("?>", '?><!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "x.dtd">')
  ),
  feed(
    "RSS 1.0",
    `${xml}<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>신문</title></channel><item rdf:about="${link}"><title>${title}</title><link>${link}</link><dc:date>2026-11-27T09:30:00+09:00</dc:date></item></rdf:RDF>`
  ),
  feed(
    "RSS 1.0 without a link",
    `${xml}<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><item rdf:about="${link}"><title>${title}</title><dc:date>2026-11-27T09:30:00+09:00</dc:date></item></rdf:RDF>`
  ),
  feed("RSS 0.91", text.replace("2.0", "0.91")),
  feed(
    "RSS with another prefix for its own elements",
    `${xml}<rss xmlns:r="http://backend.userland.com/rss2"><channel><r:item><r:title>${title}</r:title><r:link>${link}</r:link><r:pubDate>${date}</r:pubDate></r:item></channel></rss>`
  ),
  feed("a channel without rss", text.replace(/<\/?rss[^>]*>/g, "")),
  feed("names in capitals", text.replaceAll("item>", "ITEM>").replaceAll("title>", "TITLE>")),
  feed("items that are not closed", rss(`${fields()}<item>${fields({ title: "둘", link: "https://n.example/2" })}`), {
    ...usual,
    kept: 2
  }),
  feed("two links", rss(`${fields()}<link>https://n.example/2</link>`)),
  feed("an empty link before the link", rss(`<link/>${fields()}`)),
  feed("a link in CDATA", rss(fields({ link: `<![CDATA[ ${link}\n]]>` }))),
  feed("a link on a line of its own", rss(fields({ link: `\n   ${link}\n  ` }))),
  feed("atom:link alone", rss(`<title>${title}</title><atom:link href="${link}"/><pubDate>${date}</pubDate>`)),
  feed("atom:link beside the link", rss(`<atom:link rel="self" href="https://n.example/self"/>${fields()}`)),
  feed("a permalink guid", rss(fields({ link: "", guid: link }))),
  feed(
    "a relative permalink guid",
    rss(`<title>${title}</title><guid isPermaLink="true">/news/1</guid><pubDate>${date}</pubDate>`),
    {
      ...usual,
      url: "https://feed.example.com/news/1"
    }
  ),
  feed(
    "a guid that is an address, though it says not",
    rss(`<title>${title}</title><guid isPermaLink="false">${link}</guid><pubDate>${date}</pubDate>`)
  ),
  feed(
    "a guid that is no address",
    rss(`<title>${title}</title><guid isPermaLink="false">77</guid><pubDate>${date}</pubDate>`),
    { refused: true }
  ),
  feed(
    "dcterms",
    rss(
      `<dcterms:title>${title}</dcterms:title><link>${link}</link><dcterms:created>2026-11-27T00:30:00Z</dcterms:created>`
    )
  ),
  feed("an item without anything", rss(""), { refused: true }),
  feed("a feed without items", `${xml}<rss version="2.0"><channel><title>신문</title></channel></rss>`, { kept: 0 }),
  feed(
    "a document cut within its link",
    rss(fields({ title: "둘", link: "https://n.example/cut-in-the-middle" })).split("-in-the")[0] ?? "",
    { refused: true }
  ),
  feed(
    "a document cut between two items",
    rss(`${fields()}</item><item><title>둘</title>`).split("</item></channel>")[0] ?? ""
  ),
  feed("an HTML page", "<!doctype html><html><head><title>x</title></head><body></body></html>", { refused: true }),
  feed("nothing", "", { refused: true }),
  feed("a site map", `${xml}<urlset><url><loc>${link}</loc></url></urlset>`, { refused: true }),
  feed("Atom", atom(atomFields)),
  feed(
    "Atom with a prefix",
    `<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:title>a</a:title><a:entry>${atomFields.replace(/<(\/?)/g, "<$1a:")}</a:entry></a:feed>`
  ),
  feed(
    "Atom with a prefix that is not declared",
    `<atom:feed><atom:entry>${atomFields.replace(/<(\/?)/g, "<$1atom:")}</atom:entry></atom:feed>`
  ),
  feed(
    "Atom 0.3",
    `${xml}<feed version="0.3" xmlns="http://purl.org/atom/ns#"><entry><title mode="escaped" type="text/html">${title}</title><link rel="alternate" type="text/html" href="${link}"/><id>x</id><issued>2026-11-27T00:30:00Z</issued><modified>2026-11-28T00:30:00Z</modified></entry></feed>`
  ),
  feed(
    "an xhtml title",
    atom(
      atomFields.replace(
        `<title>${title}`,
        '<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">환경 <em>소식</em> 하나</div>'
      )
    )
  ),
  feed(
    "an html title",
    atom(atomFields.replace(`<title>${title}`, '<title type="html">환경 &lt;em&gt;소식&lt;/em&gt; 하나'))
  ),
  feed(
    "Atom links: the page among others",
    atom(
      `<link rel="self" href="https://n.example/self"/><link rel="alternate" type="application/json" href="https://n.example/1.json"/><link rel="alternate" type="text/html" href="${link}"/><title>${title}</title><published>2026-11-27T00:30:00Z</published>`
    )
  ),
  feed(
    "Atom without a link, its id an address",
    atom(`<id>${link}</id><title>${title}</title><updated>2026-11-27T00:30:00Z</updated>`)
  ),
  feed(
    "published before updated",
    atom(`${atomFields.replace("2026-11-27", "2026-11-29")}<published>2026-11-27T00:30:00Z</published>`)
  ),
  feed(
    "the source of an entry",
    atom(`<source><title>다른 곳</title><link href="https://other.example/"/></source>${atomFields}`)
  ),
  feed("xml:base of the feed", atom(atomFields.replace(link, "posts/1"), ' xml:base="https://real.example/blog/"'), {
    ...usual,
    url: "https://real.example/blog/posts/1"
  }),
  feed(
    "xml:base of an entry",
    atom(atomFields.replace(`<link href="${link}"`, '<link xml:base="https://real.example/" href="posts/1"')),
    { ...usual, url: "https://real.example/posts/1" }
  ),
  feed(
    "xml:base of both, one relative",
    atom(
      atomFields.replace(`<link href="${link}"`, '<link xml:base="deep/" href="1"'),
      ' xml:base="https://real.example/blog/"'
    ),
    { ...usual, url: "https://real.example/blog/deep/1" }
  ),
  feed("a relative link", rss(fields({ link: "../a/1" })), { ...usual, url: "https://feed.example.com/a/1" }),
  feed("a link without a scheme", rss(fields({ link: "//n.example/1" }))),
  feed("a link of a host alone", rss(fields({ link: "www.n.example/1" })), { ...usual, url: "http://www.n.example/1" }),
  feed(
    "one guid on every item",
    rss(
      `${fields()}<guid isPermaLink="false">x</guid></item><item>${fields({ title: "서로 다른 기사 2", link: "https://n.example/2" })}<guid isPermaLink="false">x</guid></item><item>${fields({ title: "서로 다른 기사 3", link: "https://n.example/3" })}<guid isPermaLink="false">x</guid>`
    ),
    { ...usual, kept: 3 }
  ),
  feed("one item twice", rss(`${fields({ guid: "x" })}</item><item>${fields({ guid: "x" })}`), { ...usual, kept: 1 }),
  feed(
    "300 items",
    rss(
      Array.from({ length: 300 }, (_, n) => fields({ title: `기사 ${n}`, link: `https://n.example/${n}` })).join(
        "</item><item>"
      )
    ),
    { kept: 300 }
  )
]

const json = (item: Readonly<Record<string, unknown>>, more: Readonly<Record<string, unknown>> = {}) =>
  JSON.stringify({ version: "https://jsonfeed.org/version/1.1", title: "신문", items: [item], ...more })
const jsonItem = { id: "1", url: link, title, date_published: "2026-11-27T00:30:00Z" }
const asJson = { contentType: "application/feed+json" }
const jsonFeeds: ReadonlyArray<Case> = [
  feed("JSON Feed", json(jsonItem), usual, asJson),
  feed("JSON Feed with a byte order mark", `\ufeff${json(jsonItem)}`, usual, asJson),
  feed("JSON Feed sent as text", ` \n${json(jsonItem)}`, usual, { contentType: "text/plain" }),
  feed("JSON Feed: a number for an id", json({ ...jsonItem, id: 7 }), usual, asJson),
  feed("JSON Feed: an address for an id", json({ ...jsonItem, url: undefined, id: link }), usual, asJson),
  feed("JSON Feed: external_url", json({ ...jsonItem, url: null, external_url: link }), usual, asJson),
  feed(
    "JSON Feed: a relative address",
    json({ ...jsonItem, url: "/1" }),
    { ...usual, url: "https://feed.example.com/1" },
    asJson
  ),
  feed(
    "JSON Feed without a title",
    json({ ...jsonItem, title: undefined, content_html: "<p>내용만 있는 글입니다.</p>" }),
    { ...usual, title: "내용만 있는 글입니다." },
    asJson
  ),
  feed(
    "JSON Feed: date_modified",
    json({ ...jsonItem, date_published: undefined, date_modified: "2026-11-27T00:30:00Z" }),
    usual,
    asJson
  ),
  feed(
    "JSON Feed: a picture",
    json({ ...jsonItem, image: "/1.jpg" }),
    { picture: "https://feed.example.com/1.jpg" },
    asJson
  ),
  feed(
    "JSON Feed: a film attached, then a picture",
    json({
      ...jsonItem,
      attachments: [
        { url: "/v.mp4", mime_type: "video/mp4" },
        { url: "/1.png", mime_type: "image/png" }
      ]
    }),
    { picture: "https://feed.example.com/1.png" },
    asJson
  ),
  feed("JSON Feed: one item that is none", json(jsonItem, { items: [7, jsonItem] }), usual, asJson),
  feed("JSON that is no feed", '{"hello":"world"}', { refused: true }, asJson),
  feed("JSON that breaks off", json(jsonItem).slice(0, -20), { refused: true }, asJson)
]

/** Titles as written in XML, and as read. */
const titles: ReadonlyArray<readonly [written: string, read: string]> = [
  ["<![CDATA[넷플릭스 <Our Planet> 시즌2 공개]]>", "넷플릭스 <Our Planet> 시즌2 공개"],
  ["넷플릭스 &lt;Our Planet&gt; 시즌2 공개", "넷플릭스 <Our Planet> 시즌2 공개"],
  ["다큐 &lt;지구&gt; 개봉", "다큐 <지구> 개봉"],
  ["a&lt;b", "a<b"],
  ["a &lt; b &amp;amp; b &lt; c", "a < b & b < c"],
  ["수온 a&lt;b and c&gt;d 로 나타나", "수온 a<b and c>d 로 나타나"],
  ["&lt;Data Center&gt; 리뷰", "<Data Center> 리뷰"],
  ["I &lt;3 the planet", "I <3 the planet"],
  ["<![CDATA[<b>환경</b> 소식]]>", "환경 소식"],
  ["&lt;b&gt;환경&lt;/b&gt; 소식", "환경 소식"],
  ["&amp;lt;b&amp;gt;환경&amp;lt;/b&amp;gt; 소식", "환경 소식"],
  ["환경 &amp;quot;소식&amp;quot;", '환경 "소식"'],
  ["환경 &#8216;소식&#8217;", "환경 ‘소식’"],
  ["환경 &amp;#39;소식&amp;#39;", "환경 '소식'"],
  ["환경&amp;nbsp;&amp;middot;&amp;nbsp;소식", "환경 · 소식"],
  ["환경&hellip; 소식", "환경… 소식"],
  ["<![CDATA[환경&hellip; 소식]]>", "환경… 소식"],
  ["AT&amp;T의 환경 정책", "AT&T의 환경 정책"],
  ["<![CDATA[환경<br/>소식]]>", "환경 소식"],
  ["<![CDATA[환경<script>x(1<2)</script> 소식]]>", "환경 소식"],
  ["<![CDATA[환경<!-- 광고 --> 소식]]>", "환경 소식"],
  ["<![CDATA[<p class='x'>환경</p><p>소식</p>]]>", "환경 소식"],
  ["<![CDATA[환경 <img src='https://n.example/x.jpg' alt='x'/>소식]]>", "환경 소식"],
  ["<![CDATA[환경 <o:p>소식</o:p>]]>", "환경 소식"],
  ["환경 <b>소식</b> 하나", "환경 소식 하나"],
  ["\n  환경\n  소식\n", "환경 소식"],
  ["환경\u200b 소식\ufeff", "환경 소식"],
  ["환경 소식 🌍", "환경 소식 🌍"],
  ["أخبار البيئة", "أخبار البيئة"],
  ["दिल्ली में प्रदूषण", "दिल्ली में प्रदूषण"]
]
const noTitles: ReadonlyArray<readonly [item: string, title: string]> = [
  [fields({ title: "", description: "내용만 있는 글입니다." }), "내용만 있는 글입니다."],
  [fields({ title: " ", description: "&lt;p&gt;내용만 있는 글입니다.&lt;/p&gt;" }), "내용만 있는 글입니다."],
  [
    fields({
      title: "",
      description: "첫 문장은 여기에서 끝납니다. 둘째 문장은 제목에 들어가지 않을 만큼 길게 이어지고, 또 이어집니다."
    }),
    "첫 문장은 여기에서 끝납니다."
  ],
  [fields({ title: "", description: "word ".repeat(40) }), `${"word ".repeat(16).trim()}…`],
  [fields({ title: "", "content:encoded": "<![CDATA[<p>본문뿐인 글</p>]]>" }), "본문뿐인 글"]
]
const texts: ReadonlyArray<Case> = [
  ...titles.map(([written, read]) => feed(`title: ${written}`, rss(fields({ title: written })), { title: read })),
  ...noTitles.map(([item, read]) => feed(`no title: ${read}`, rss(item), { title: read })),
  feed("neither title nor text", rss(fields({ title: "" })), { refused: true })
]

/** Addresses as written in XML, and as stored; null: the item is refused. */
const addresses: ReadonlyArray<readonly [written: string, stored: string | null]> = [
  ["https://n.example/view?q=%B0%A1&amp;utm_source=rss", "https://n.example/view?q=%B0%A1&utm_source=rss"],
  ["https://n.example/view?id=1&amp;ref=1", "https://n.example/view?id=1&ref=1"],
  ["https://n.example/#/news/1", "https://n.example/#/news/1"],
  ["https://n.example/a/1?title=%ed%99%98", "https://n.example/a/1?title=%ed%99%98"],
  ["https://n.example/뉴스/1", "https://n.example/뉴스/1"],
  ["HTTPS://N.Example/1", "HTTPS://N.Example/1"],
  ["https://n.example:443/1", "https://n.example:443/1"],
  ["https://n.example/a b/1", "https://n.example/a%20b/1"],
  ["https://n.example/1?a=[1]&amp;b='x'", "https://n.example/1?a=[1]&b='x'"],
  ["http://환경.example/1", "http://환경.example/1"],
  ["<![CDATA[https://n.example/1?a=1&b=2]]>", "https://n.example/1?a=1&b=2"],
  ["https://n.example/a\0b", "https://n.example/a%00b"],
  ["https://n.example/a&#1;b", "https://n.example/a%01b"],
  ["javascript:alert(1)", null],
  ["mailto:press@n.example", null],
  ["ftp://n.example/1", null],
  ["http://", null],
  [`https://n.example/${"a".repeat(2083)}`, null]
]
const links: ReadonlyArray<Case> = addresses.map(([written, stored]) =>
  feed(
    `address: ${written.slice(0, 80)}`,
    rss(fields({ link: written })),
    stored === null ? { refused: true } : { url: stored }
  )
)

const at = (path: string) => `https://n.example/${path}`
const feedPictures: ReadonlyArray<readonly [name: string, elements: string, picture: string | null]> = [
  [
    "the largest of several",
    `<media:thumbnail url="${at("75.jpg")}" width="75"/><media:content url="${at("1200.jpg")}" medium="image" width="1200"/>`,
    at("1200.jpg")
  ],
  [
    "the largest thumbnail",
    `<media:thumbnail url="${at("75.jpg")}" width="75"/><media:thumbnail url="${at("600.jpg")}" width="600"/>`,
    at("600.jpg")
  ],
  ["a thumbnail", `<media:thumbnail url="${at("t.jpg")}"/>`, at("t.jpg")],
  [
    "a content in a group",
    `<media:group><media:content url="${at("c.jpg")}" type="image/jpeg"/></media:group>`,
    at("c.jpg")
  ],
  [
    "a thumbnail in a film",
    `<media:content url="${at("v.mp4")}" type="video/mp4"><media:thumbnail url="${at("t.jpg")}"/></media:content>`,
    at("t.jpg")
  ],
  ["a film without a type", `<media:content url="${at("v.mp4")}"/>`, null],
  ["a film by its medium", `<media:content url="${at("v")}" medium="video"/>`, null],
  ["a film that says it is a picture", `<media:content url="${at("v.webm")}" medium="image"/>`, null],
  ["a sound", `<enclosure url="${at("a.mp3")}" type="audio/mpeg" length="1"/>`, null],
  ["a sound without a type", `<enclosure url="${at("a.m4a")}"/>`, null],
  ["an enclosure", `<enclosure url="${at("e.jpg")}" type="image/jpeg" length="1"/>`, at("e.jpg")],
  ["itunes:image", `<itunes:image href="${at("i.jpg")}"/>`, at("i.jpg")],
  ["an image's text", `<image>${at("i.jpg")}</image>`, at("i.jpg")],
  ["an image's address", `<image><url>${at("i.jpg")}</url><title>x</title><link>${at("")}</link></image>`, at("i.jpg")],
  [
    "another prefix",
    `<m:content xmlns:m="http://search.yahoo.com/mrss/" url="${at("c.jpg")}" medium="image"/>`,
    at("c.jpg")
  ],
  ["data", '<media:thumbnail url="data:image/png;base64,AAAA"/>', null],
  ["undefined", '<media:thumbnail url="undefined"/>', null],
  ["undefined at the end", `<media:thumbnail url="${at("undefined")}"/>`, null],
  [
    "null, then a picture",
    `<media:content url="null" medium="image"/><enclosure url="${at("e.png")}" type="image/png"/>`,
    at("e.png")
  ],
  ["a counter of readers", `<media:content url="${at("pixel.gif")}" medium="image" width="1"/>`, null],
  ["relative", '<media:thumbnail url="/t.jpg"/>', "https://feed.example.com/t.jpg"],
  ["at a private address", '<media:thumbnail url="http://127.0.0.1/t.jpg"/>', null],
  [
    "at a private address, then a public one",
    `<media:thumbnail url="http://127.0.0.1/t.jpg" width="900"/><media:thumbnail url="${at("t.jpg")}"/>`,
    at("t.jpg")
  ]
]
const pictures: ReadonlyArray<Case> = feedPictures.map(([name, elements, picture]) =>
  feed(`picture: ${name}`, rss(fields() + elements), { ...usual, picture })
)

const naverItem = {
  title,
  originallink: link,
  link: "https://n.news.example/1",
  description: "본문",
  pubDate: date
}
const naver = (name: string, change: Readonly<Record<string, unknown>>, expected: Expected = usual): Case => ({
  name: `Naver: ${name}`,
  form: "naver",
  url: "https://naver.example/",
  contentType: "application/json",
  bytes: Buffer.from(JSON.stringify({ items: [{ ...naverItem, ...change }] })),
  expected
})
const replies: ReadonlyArray<Case> = [
  naver("an item", {}),
  naver("no original link", { originallink: null }, { ...usual, url: "https://n.news.example/1" }),
  naver("an empty original link", { originallink: "" }, { ...usual, url: "https://n.news.example/1" }),
  naver("an original link without a scheme", { originallink: "n.example/1" }, { ...usual, url: "http://n.example/1" }),
  naver("no description", { description: null }),
  naver("no links", { originallink: null, link: null }, { refused: true }),
  naver("marks in the title", { title: "<b>환경</b> &quot;소식&quot; &amp; 하나" }, { title: '환경 "소식" & 하나' }),
  naver("a title of a film", { title: "&lt;Our Planet&gt; 시즌2" }, { title: "<Our Planet> 시즌2" })
]

/** The head of a page, and its picture; null: none. */
const picture = "https://press.example/o.jpg"
const meta = (name: string, content: string, attribute = "property") =>
  `<meta ${attribute}="${name}" content="${content}">`
const og = meta("og:image", "/o.jpg")
const heads: ReadonlyArray<readonly [name: string, html: string, picture: string | null]> = [
  ["og:image", og, picture],
  ["og:image by name", meta("og:image", "/o.jpg", "name"), picture],
  ["og:image in capitals", "<META CONTENT='/o.jpg' PROPERTY='OG:IMAGE'>", picture],
  ["og:image without quotes", "<meta property=og:image content=/o.jpg>", picture],
  ["og:image:url", meta("og:image:url", "/o.jpg"), picture],
  [
    "og:image:secure_url first",
    `${meta("og:image", "http://press.example/x.jpg")}${meta("og:image:secure_url", "/o.jpg")}`,
    picture
  ],
  ["twitter:image", meta("twitter:image", "/o.jpg", "name"), picture],
  ["twitter:image:src", meta("twitter:image:src", "/o.jpg", "name"), picture],
  ["itemprop", meta("image", "/o.jpg", "itemprop"), picture],
  ["link itemprop", '<link itemprop="image" href="/o.jpg">', picture],
  ["image_src", '<link rel="image_src" href="/o.jpg">', picture],
  ["a picture after one that is data", `${meta("og:image", "data:image/gif;base64,R0lGOD")}${og}`, picture],
  ["a picture after an empty one", `${meta("og:image", "")}${og}`, picture],
  ["a picture after undefined", `${meta("og:image", "undefined")}${og}`, picture],
  ["a picture after a path to undefined", `${meta("og:image", "https://press.example/undefined")}${og}`, picture],
  ["a picture after the site itself", `${meta("og:image", "https://press.example")}${og}`, picture],
  ["a picture after a film", `${meta("og:image", "/v.mp4")}${og}`, picture],
  ["a picture after a private one", `${meta("og:image", "http://10.0.0.1/x.jpg")}${og}`, picture],
  ["a picture after one of another scheme", `${meta("og:image", "blob:https://press.example/1")}${og}`, picture],
  ["JSON-LD", '<script type="application/ld+json">{"@type":"NewsArticle","image":"/o.jpg"}</script>', picture],
  [
    "JSON-LD with an object",
    '<script type="application/ld+json">{"image":{"@type":"ImageObject","url":"/o.jpg"}}</script>',
    picture
  ],
  [
    "JSON-LD with a graph",
    '<script type="application/ld+json">{"@graph":[{"@type":"WebSite"},{"image":["/o.jpg"]}]}</script>',
    picture
  ],
  ["JSON-LD with thumbnailUrl", '<script type="application/ld+json">[{"thumbnailUrl":"/o.jpg"}]</script>', picture],
  ["JSON-LD that is broken", '<script type="application/ld+json">{"image":"/o.jpg"</script>', null],
  [
    "base",
    '<base href="https://images.example/"><meta property="og:image" content="o.jpg">',
    "https://images.example/o.jpg"
  ],
  ["an address with an entity", meta("og:image", "/o.jpg?a=1&amp;b=2"), "https://press.example/o.jpg?a=1&b=2"],
  ["an address without a scheme", meta("og:image", "//images.example/o.jpg"), "https://images.example/o.jpg"],
  ["a page's meta in its body", `</head><body><div>${og}</div>`, picture],
  ["a page without a head", `<p>x</p>${og}`, picture],
  ["a page that breaks off", `${og}<meta property="og:im`, picture],
  ["a commented tag", `<!-- ${og} -->`, null],
  ["a tag in a script", `<script>var x='${og}'</script>`, null],
  ["an end of the head in a script", `<script>var x="</head>"</script>${og}`, picture],
  ["a tag in noscript", `<noscript>${og}</noscript>`, picture],
  ["no picture", "<title>x</title>", null],
  ["an icon", '<link rel="icon" href="/favicon.ico">', null],
  ["a picture after 100 KB of style", `<style>${".a{b:c}".repeat(14_000)}</style>${og}`, picture],
  ["a picture after a long comment", `<!--${" x".repeat(40_000)}-->${og}`, picture]
]
const page = (name: string, html: string | Uint8Array, expected: string | null, contentType = "text/html"): Case => ({
  name: `page: ${name}`,
  form: "page",
  url: pageUrl,
  contentType,
  bytes: typeof html === "string" ? Buffer.from(`<!doctype html><html><head>${html}`) : html,
  expected: { picture: expected }
})
const korean = '<html><head><meta property="og:image" content="/사진/1.jpg"><title>똠방각하</title></head>'
const pages: ReadonlyArray<Case> = [
  ...heads.map(([name, html, found]) => page(name, html, found)),
  page("EUC-KR", encodeKorean(korean), "https://press.example/%EC%82%AC%EC%A7%84/1.jpg", "text/html; charset=euc-kr"),
  page("UTF-16", Buffer.from(`\ufeff${korean}`, "utf16le"), "https://press.example/%EC%82%AC%EC%A7%84/1.jpg"),
  page("XHTML", `${xml}${og}`, picture, "application/xhtml+xml")
]

export const corpus: ReadonlyArray<Case> = [
  ...dates,
  ...charsets,
  ...structures,
  ...jsonFeeds,
  ...texts,
  ...links,
  ...pictures,
  ...replies,
  ...pages
]
