/**
 * Feed: parses RSS 2.0, RSS 1.0 and Atom into one list of entries. The parser reads a stream of tags and knows no document
 * types, so no entity is ever expanded or fetched; the number of entries and their texts are bounded.
 */
import { Parser } from "htmlparser2"

export interface Entry {
  /** `guid` or `id`; "" if it has none. */
  readonly id: string
  readonly link: string
  readonly title: string
  readonly summary: string
  readonly published: string
  readonly picture: string
  readonly keywords: ReadonlyArray<string>
}

export interface Feed {
  readonly title: string
  /** When the feed was last changed, as written. */
  readonly updated: string
  readonly icon: string
  readonly entries: ReadonlyArray<Entry>
}

const maxEntries = 200
const maxFieldLength = 20_000
const maxWords = 20

/** The tags of each field, best first. Prefixes are as feeds write them. */
const fields = {
  id: ["guid", "id"],
  link: ["link"],
  title: ["title"],
  summary: ["description", "summary", "content:encoded", "content"],
  published: ["pubdate", "published", "dc:date", "updated"],
  picture: ["media:thumbnail", "media:content", "enclosure", "image"],
  icon: ["icon", "image/url", "logo"],
  updated: ["lastbuilddate", "updated", "pubdate", "dc:date"]
} as const

type Found = Map<string, string>
const pick = (found: Found, names: ReadonlyArray<string>): string =>
  names.map((name) => found.get(name)?.trim() ?? "").find((text) => text !== "") ?? ""

/** null: not a feed. */
export const parse = (text: string): Feed | null => {
  const channel: Found = new Map()
  const entries: Array<Entry> = []
  const path: Array<string> = []
  let isFeed = false
  let entry: { readonly found: Found; readonly words: Array<string>; readonly depth: number } | null = null

  const add = (found: Found, name: string, part: string) => {
    const before = found.get(name) ?? ""
    if (before.length < maxFieldLength) found.set(name, before + part)
  }
  const word = (text_: string) => {
    if (entry !== null && entry.words.length < maxWords) entry.words.push(text_)
  }
  const parser = new Parser(
    {
      onopentag: (raw, attributes) => {
        const name = raw.toLowerCase()
        path.push(name)
        if (path.length === 1) isFeed = name === "rss" || name === "feed" || name === "rdf:rdf"
        if (name === "item" || name === "entry") {
          entry ??= { found: new Map(), words: [], depth: path.length }
          return
        }
        const inside = entry?.found ?? channel
        const { href, rel = "alternate", term, type = "", url } = attributes
        // Atom's links are attributes; of several, the link to the page counts
        const isOwn = path.length === (entry === null ? 2 : entry.depth + 1)
        if (name === "link" && href !== undefined && isOwn) {
          if (rel === "alternate" && !inside.has("link")) inside.set("link", href)
          else if (rel === "enclosure" && type.startsWith("image/")) inside.set("enclosure", href)
        }
        if (name === "category" && term !== undefined) word(term)
        const shows =
          type.startsWith("image/") || attributes.medium === "image" || (type === "" && attributes.medium === undefined)
        if (url !== undefined && !inside.has(name)) {
          if (name === "media:thumbnail" || (shows && (name === "media:content" || name === "enclosure")))
            inside.set(name, url)
        }
      },
      ontext: (part) => {
        const name = path.at(-1) ?? ""
        if (entry === null) {
          // the channel's own fields and its picture's address, but no fields of other elements in it
          const at = path.length === (path[1] === "channel" ? 3 : 2) ? name : path.slice(-2).join("/")
          if (at === name || at === "image/url") add(channel, at, part)
          return
        }
        if (path.length !== entry.depth + 1) {
          // Atom's content may be markup itself
          if (path[entry.depth] === "content" || path[entry.depth] === "summary")
            add(entry.found, path[entry.depth] ?? "", part)
          return
        }
        if (name === "category" || name === "dc:subject") add(entry.found, `word ${entry.words.length}`, part)
        else add(entry.found, name, part)
      },
      onclosetag: () => {
        const name = path.pop() ?? ""
        if (entry === null) return
        if (name === "category" || name === "dc:subject") {
          const text_ = entry.found.get(`word ${entry.words.length}`)?.trim() ?? ""
          if (text_ !== "") word(text_)
        }
        if (path.length >= entry.depth) return
        const { found, words } = entry
        entry = null
        if (entries.length >= maxEntries) return
        entries.push({
          id: pick(found, fields.id),
          link: pick(found, fields.link),
          title: pick(found, fields.title),
          summary: pick(found, fields.summary),
          published: pick(found, fields.published),
          picture: pick(found, fields.picture),
          keywords: words
        })
      }
    },
    { xmlMode: true, decodeEntities: true }
  )
  parser.end(text)
  if (!isFeed) return null
  return {
    title: pick(channel, fields.title),
    updated: pick(channel, fields.updated),
    icon: pick(channel, fields.icon),
    entries
  }
}
