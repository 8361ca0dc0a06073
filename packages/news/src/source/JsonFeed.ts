/**
 * JsonFeed: reads JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1). The platform reads JSON in one piece and takes a
 * second for 4 MiB of brackets, so the text's depth and the number of its values are counted first.
 */
import { Option, Schema } from "effect"
import * as Address from "../domain/Address.ts"
import type { Work } from "../Slices.ts"
import { bestFirst, mostEntries, mostFieldLength, mostKeywords } from "./Feed.ts"
import type { Entry, Feed, NoFeed } from "./Feed.ts"

const mostDepth = 40
const mostValues = 100_000
const pieceLength = 32_768

/** Fields of other types count as absent. */
const text = Schema.Unknown.pipe(Schema.optional)
const Item = Schema.Struct({
  id: text,
  url: text,
  external_url: text,
  title: text,
  content_html: text,
  content_text: text,
  summary: text,
  image: text,
  banner_image: text,
  date_published: text,
  date_modified: text,
  tags: text,
  attachments: text
})
type Item = typeof Item.Type
const Attachment = Schema.Struct({ url: Schema.String, mime_type: Schema.String })
const Document = Schema.fromJsonString(
  Schema.Struct({ title: text, icon: text, favicon: text, items: Schema.Array(Schema.Unknown) })
)
const readDocument = Schema.decodeUnknownOption(Document)
const readItem = Schema.decodeUnknownOption(Item)
const readAttachment = Schema.decodeUnknownOption(Attachment)

const string = (value: unknown): string =>
  typeof value === "string" ? value.slice(0, mostFieldLength) : typeof value === "number" ? String(value) : ""

const entryOf = (item: Item, url: string): Entry => {
  const id = string(item.id)
  const attachments = Array.isArray(item.attachments) ? item.attachments.slice(0, 20) : []
  const pictures = [
    { url: Address.ofPicture(string(item.image), url), width: 1_000 },
    { url: Address.ofPicture(string(item.banner_image), url), width: 900 },
    ...attachments.flatMap((one) =>
      Option.match(readAttachment(one), {
        onNone: () => [],
        onSome: (found) => [{ url: Address.ofPicture(found.url, url, found.mime_type), width: 800 }]
      })
    )
  ]
  return {
    id,
    links: [string(item.url), string(item.external_url), /^https?:\/\//i.test(id) ? id : ""]
      .map((link) => Address.absolute(link, url))
      .filter((link) => link !== ""),
    title: string(item.title),
    summary: [item.summary, item.content_text, item.content_html].map(string).find((one) => one.trim() !== "") ?? "",
    dates: [item.date_published, item.date_modified].map(string).filter((one) => one !== ""),
    pictures: bestFirst(pictures.filter((picture) => picture.url !== "")),
    keywords: Array.isArray(item.tags) ? item.tags.slice(0, mostKeywords).map(string) : []
  }
}

const code = { quote: 0x22, comma: 0x2c, backslash: 0x5c, open: 0x5b, close: 0x5d, begin: 0x7b, end: 0x7d }

/** Why a JSON text is not parsed; null: it is within bounds. */
function* measure(json: string): Work<NoFeed["reason"] | null> {
  let depth = 0
  let values = 0
  let isString = false
  for (let at = 0; at < json.length; at++) {
    if (at % pieceLength === pieceLength - 1) yield
    const character = json.charCodeAt(at)
    if (isString) {
      if (character === code.backslash) at++
      else if (character === code.quote) isString = false
    } else if (character === code.quote) isString = true
    else if (character === code.open || character === code.begin) {
      values++
      if (++depth > mostDepth) return "nested too deep"
    } else if (character === code.close || character === code.end) depth--
    else if (character === code.comma) values++
    if (values > mostValues) return "too many values"
  }
  return null
}

/** The feed in a JSON text, or why there is none. `url`: where it was read from. */
export function* parse(json: string, url: string): Work<Feed | NoFeed> {
  const trouble = yield* measure(json)
  if (trouble !== null) return { reason: trouble }
  const document = Option.getOrNull(readDocument(json))
  yield
  if (document === null) return { reason: "not a feed" }
  const entries: Array<Entry> = []
  let cut = Math.max(0, document.items.length - mostEntries)
  for (const item of document.items.slice(0, mostEntries)) {
    const read = readItem(item)
    if (Option.isSome(read)) entries.push(entryOf(read.value, url))
    else cut++
    yield
  }
  return {
    title: string(document.title),
    icon: Address.ofPicture(string(document.icon) || string(document.favicon), url),
    entries,
    cut
  }
}
