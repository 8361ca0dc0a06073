/** Hostile: documents whose writers want to hold whoever reads them, each at the most that is fetched. */

const feedBytes = 4 * 1024 * 1024
const pageBytes = 128 * 1024

/** This text again and again, up to a length in bytes of Latin text. */
const fill = (text: string, bytes: number) => text.repeat(Math.max(1, Math.floor(bytes / text.length)))
const item = (inside: string) => `<item><link>https://n.example/1</link>${inside}</item>`
const rss = (inside: string) => `<rss version="2.0"><channel><title>x</title>${inside}`
const numbered = (bytes: number, one: (n: number) => string) => {
  const parts: Array<string> = []
  for (let n = 0, length = 0; length < bytes; n++) {
    const part = one(n)
    parts.push(part)
    length += part.length
  }
  return parts.join("")
}
const markup = (bytes: number): ReadonlyArray<readonly [name: string, text: string]> => [
  ["tags that open, then others that close", fill("<x>", bytes / 2) + fill("</y>", bytes / 2)],
  ["tags that open", fill("<x>", bytes)],
  ["HTML's tags that open", fill("<b>", bytes / 2) + fill("</i>", bytes / 2)],
  ["paragraphs in tables", fill("<table><p>", bytes)],
  ["elements of a picture", fill("<svg><g>", bytes)],
  ["tags that do not end", fill("<b ", bytes)],
  ["quotes that do not end", fill("<b a='", bytes)],
  ["quotes of two kinds", fill(`<b "'<b '"`, bytes)],
  ["attributes of one tag", `<x ${fill("a=b ", bytes)}>`],
  ["different attributes of one tag", `<x ${numbered(bytes, (n) => `a${n}=b `)}>`],
  ["one long attribute", `<x a="${fill("x", bytes)}">`],
  ["entities", fill("&amp;", bytes)],
  ["entities that do not end", fill("&#x", bytes)],
  ["comments", fill("<!---->", bytes)],
  ["comments that do not end", fill("<!--", bytes)],
  ["CDATA that does not end", fill("<![CDATA[", bytes)],
  ["ends of CDATA", `<![CDATA[${fill("]]", bytes)}`],
  ["instructions", fill("<?", bytes)],
  ["less-than signs", fill("<", bytes)],
  ["spaces", fill(" ", bytes)],
  ["scripts", fill("<script>", bytes)]
]

export interface Hostile {
  readonly name: string
  readonly bytes: Uint8Array
  readonly contentType: string
}
const document =
  (contentType: string) =>
  (entry: readonly [name: string, text: string | Uint8Array]): Hostile => ({
    name: entry[0],
    bytes: typeof entry[1] === "string" ? Buffer.from(entry[1]) : entry[1],
    contentType
  })

const inField = (name: string, text: string): readonly [string, string] => [
  `${name} in the titles and texts of all items`,
  rss(
    numbered(feedBytes, () => item(`<title><![CDATA[${text}]]></title><description><![CDATA[${text}]]></description>`))
  )
]

export const feeds: ReadonlyArray<Hostile> = [
  ...markup(feedBytes).map(([name, text]): readonly [string, string] => [name, rss(text)]),
  ...markup(19_000)
    .filter(([, text]) => !text.includes("]]"))
    .map(([name, text]) => inField(name, text)),
  ["items that open", rss(fill("<item>", feedBytes))] as const,
  ["entries that open", `<feed>${fill("<entry>", feedBytes)}`] as const,
  ["items in items", rss(fill("<item><x>", feedBytes))] as const,
  [
    "small items",
    rss(numbered(feedBytes, (n) => `<item><link>https://n.example/${n}</link><title>${n}</title></item>`))
  ] as const,
  ["pictures of one item", rss(item(fill('<media:content url="/a.jpg"/>', feedBytes)))] as const,
  ["links of one item", rss(item(fill("<link>https://n.example/2</link>", feedBytes)))] as const,
  ["keywords of one item", rss(item(fill("<category>x</category>", feedBytes)))] as const,
  ["namespaces", `<rss ${numbered(feedBytes, (n) => `xmlns:a${n}="http://purl.org/dc/elements/1.1/" `)}>`] as const,
  ["bases", rss(fill('<x xml:base="a/">', feedBytes))] as const,
  [
    "dates",
    rss(numbered(feedBytes, (n) => item(`<title>${n}</title><pubDate>${"27 Nov ".repeat(28)}</pubDate>`)))
  ] as const,
  ["titles of separators", rss(numbered(feedBytes, (n) => item(`<title>${`${n} : `.repeat(60)}</title>`)))] as const,
  ["bytes that are no text", Buffer.alloc(feedBytes, 0xff)] as const,
  [
    "bytes of Korean",
    Buffer.concat([Buffer.from("<rss>"), Buffer.alloc(feedBytes, Uint8Array.of(0xb0, 0xa1))])
  ] as const,
  [
    "bytes of Western text",
    Buffer.concat([Buffer.from("<rss>"), Buffer.alloc(feedBytes, Uint8Array.of(0xe9, 0x20))])
  ] as const,
  ["zeros", Buffer.alloc(feedBytes)] as const
].map(document("application/xml"))

export const jsonFeeds: ReadonlyArray<Hostile> = [
  ["brackets that open", `{"items":${fill("[", feedBytes)}`] as const,
  ["objects that open", `{"items":[${fill('{"a":', feedBytes)}`] as const,
  ["empty objects", `{"items":[${fill("{},", feedBytes)}1]}`] as const,
  ["numbers", `{"items":[${fill("1,", feedBytes)}1]}`] as const,
  ["one long text", `{"items":["${fill("x", feedBytes)}"]}`] as const,
  ["escapes", `{"items":["${fill("\\u0041", feedBytes)}"]}`] as const,
  ["backslashes", `{"items":["${fill("\\\\", feedBytes)}"]}`] as const,
  ["quotes", `{${fill('"', feedBytes)}`] as const,
  [
    "as many items as are read, each with long texts",
    `{"items":[${numbered(feedBytes, (n) => `{"id":"${n}","url":"https://n.example/${n}","content_html":"${"<b>".repeat(240)}"},`)}1]}`
  ] as const
].map(document("application/feed+json"))

const data = (text: string) => `<script type="application/ld+json">${text}</script>`
export const pages: ReadonlyArray<Hostile> = [
  ...markup(pageBytes).map(([name, text]): readonly [string, string] => [name, `<html><head>${text}`]),
  ["pictures", fill("<meta property=og:image content=x>", pageBytes)] as const,
  ["pictures in the body", `<body>${fill("<meta property=og:image content=x>", pageBytes)}`] as const,
  ["long names of pictures", fill(`<meta property=og:image content="${"&amp;".repeat(3_000)}">`, pageBytes)] as const,
  ["attributes of pictures", fill(`<meta ${numbered(15_000, (n) => `a${n}=b `)}>`, pageBytes)] as const,
  ["data that nests", fill(data("[".repeat(16_000)), pageBytes)] as const,
  ["data that nests and ends", fill(data("[".repeat(8_000) + "]".repeat(8_000)), pageBytes)] as const,
  ["data of many graphs", fill(data(`{"@graph":[${'{"image":["a","b","c"]},'.repeat(500)}1]}`), pageBytes)] as const,
  ["small data", fill(data('{"image":"a"}'), pageBytes)] as const
].map(document("text/html"))
