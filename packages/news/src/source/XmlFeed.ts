/**
 * XmlFeed: reads RSS 0.9 to 2.0, Atom 0.3 and 1.0, and their mixtures, as they are published: with foreign or undeclared
 * prefixes, markup in titles, several links and dates, relative addresses, something after the end. The parser reads a stream of
 * tags and knows no document types, so no entity is ever expanded or fetched. Of a field the first that is not empty counts.
 */
import { Parser } from "htmlparser2"
import * as Address from "../domain/Address.ts"
import type { Work } from "../Slices.ts"
import { bestFirst, mostEntries, mostFieldLength, mostKeywords, mostPictures } from "./Feed.ts"
import type { Entry, Feed, NoFeed, Picture } from "./Feed.ts"

const mostDepth = 100
/** The parser's own depth: items that are not closed stand in each other. */
const mostOpen = 1_000
const mostTags = 300_000
const mostAttributes = 500
const mostLinks = 20
/** Characters that the parser gets at once. */
const pieceLength = 8_192

/** Namespaces, by their addresses without scheme and last slash; their elements get these prefixes, however they are written. */
const namespaces: ReadonlyMap<string, string> = new Map([
  ["www.w3.org/2005/atom", ""],
  ["purl.org/atom/ns#", ""],
  ["purl.org/rss/1.0", ""],
  ["my.netscape.com/rdf/simple/0.9", ""],
  ["channel.netscape.com/rdf/simple/0.9", ""],
  ["backend.userland.com/rss2", ""],
  ["www.w3.org/1999/02/22-rdf-syntax-ns#", "rdf:"],
  ["purl.org/dc/elements/1.1", "dc:"],
  ["purl.org/dc/terms", "dcterms:"],
  ["purl.org/rss/1.0/modules/content", "content:"],
  ["search.yahoo.com/mrss", "media:"],
  ["www.itunes.com/dtds/podcast-1.0.dtd", "itunes:"]
])
/** Prefixes that are often used without being declared. */
const usual: ReadonlyMap<string, string> = new Map(["atom", "atom10", "atom03", "a10", "rss"].map((name) => [name, ""]))

/** The elements of each field, best first. */
const fields = {
  id: ["guid", "id"],
  title: ["title", "dc:title", "dcterms:title", "itunes:title", "media:title"],
  summary: [
    ...["description", "summary", "content:encoded", "content", "dc:description", "dcterms:abstract"],
    ...["itunes:summary", "media:description"]
  ],
  dates: [
    ...["pubdate", "published", "issued", "dc:date", "dcterms:issued", "dcterms:created", "dcterms:date", "date"],
    ...["created", "updated", "modified", "dcterms:modified"]
  ],
  icon: ["icon", "image/url", "logo"]
} as const
const wanted: ReadonlySet<string> = new Set([...Object.values(fields).flat(), "link", "image"])
const keywordElements: ReadonlySet<string> = new Set(["category", "dc:subject", "dcterms:subject"])
/** Elements that separate words, in text that has markup of its own. */
const parting = /^(?:\w+:)?(?:p|div|br|li|ul|ol|tr|td|h\d|img|blockquote)$/

type Found = Map<string, string>
const pick = (found: Found, names: ReadonlyArray<string>): string =>
  names.map((name) => found.get(name)?.trim() ?? "").find((text) => text !== "") ?? ""
const all = (found: Found, names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.flatMap((name) => found.get(name)?.trim() || [])

interface Open {
  readonly depth: number
  readonly found: Found
  readonly keywords: Array<string>
  readonly pictures: Array<Picture>
  /** Addresses of `link` elements, by how good they are. */
  readonly links: [texts: Array<string>, pages: Array<string>, others: Array<string>]
  /** Whether its `guid` is the address of its page. */
  permalink: "yes" | "no" | "perhaps"
  /** The base of its `guid`, and of `about`. */
  base: string
}

/** An element whose text is being read. */
interface Field {
  readonly name: string
  readonly depth: number
  readonly base: string
  text: string
}

/** Where the parser is. */
interface Place {
  entry: Open | null
  field: Field | null
  trouble: NoFeed["reason"] | null
  /** Nothing more is read. */
  isOver: boolean
  /** The document has no more text; what is still open was not closed. */
  isEnded: boolean
  open: number
  tags: number
  attributes: number
  cut: number
}

/** The feed in a document, or why there is none. `url`: where it was read from. */
export function* parse(pieces: Iterable<string>, url: string): Work<Feed | NoFeed> {
  const channel: Found = new Map()
  const entries: Array<Entry> = []
  const path: Array<string> = []
  /** The base of each open element. */
  const bases: Array<string> = [url]
  const prefixes = new Map<string, string>()
  const at: Place = {
    entry: null,
    field: null,
    trouble: null,
    isOver: false,
    isEnded: false,
    open: 0,
    tags: 0,
    attributes: 0,
    cut: 0
  }

  const nameOf = (raw: string): string => {
    const name = raw.toLowerCase()
    const colon = name.indexOf(":")
    if (colon < 0) return name
    const prefix = name.slice(0, colon)
    const known = prefixes.get(prefix) ?? usual.get(prefix)
    return known === undefined ? name : known + name.slice(colon + 1)
  }
  const declare = (attributes: Readonly<Record<string, string>>) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (!/^xmlns:/i.test(name) || prefixes.size >= 100) continue
      const address = value
        .trim()
        .toLowerCase()
        .replace(/^https?:\/\//, "")
        .replace(/\/$/, "")
      const known = namespaces.get(address)
      if (known !== undefined) prefixes.set(name.slice(6).toLowerCase(), known)
    }
  }

  const finished = ({ base, found, keywords, links, permalink, pictures }: Open): Entry => {
    const guid = found.get("guid")?.trim() ?? ""
    const isAddress = /^https?:\/\//i.test(guid)
    const own = permalink === "yes" || (permalink === "perhaps" && isAddress) ? Address.absolute(guid, base) : ""
    const id = pick(found, fields.id)
    // the address of last resort
    const last = /^https?:\/\//i.test(id) ? id : ""
    return {
      id,
      links: [...links.flat(), own, last].filter((link) => link !== ""),
      title: pick(found, fields.title),
      summary: pick(found, fields.summary),
      dates: all(found, fields.dates),
      pictures: bestFirst(pictures),
      keywords
    }
  }
  const close = (isCut: boolean) => {
    const done = at.entry
    if (done === null) return
    at.entry = null
    at.field = null
    if (isCut || entries.length >= mostEntries) at.cut++
    else entries.push(finished(done))
  }

  const address = (links: Array<string>, written: string, base: string) => {
    if (links.length < mostLinks) links.push(Address.absolute(written, base))
  }
  const picture = (written: string, base: string, attributes: Readonly<Record<string, string>>, usualWidth: number) => {
    const { medium = "", type = "", width = "" } = attributes
    const { entry } = at
    if (entry === null || entry.pictures.length >= mostPictures || !/^(?:image)?$/i.test(medium)) return
    const found = Address.ofPicture(written, base, type)
    const pixels = /^\d{1,5}(?:px)?$/.test(width.trim()) ? Number.parseInt(width, 10) : usualWidth
    // smaller ones count readers
    if (found !== "" && pixels >= 16) entry.pictures.push({ url: found, width: pixels })
  }
  /** What an element says by its attributes. */
  const byAttributes = (open: Open, name: string, base: string, attributes: Readonly<Record<string, string>>) => {
    const { about, href, rel = "alternate", term, type = "", url: source } = attributes
    const isOwn = path.length === open.depth + 1
    switch (name) {
      case "media:content":
        return picture(source ?? "", base, attributes, 1_000)
      case "enclosure":
        return picture(source ?? href ?? "", base, attributes, 900)
      case "itunes:image":
        return picture(href ?? source ?? "", base, {}, 800)
      case "media:thumbnail":
        return picture(source ?? "", base, { ...attributes, type: "" }, 300)
      case "image":
        return isOwn && (href ?? source) !== undefined ? picture(href ?? source ?? "", base, {}, 700) : undefined
      case "link": {
        if (href === undefined || !isOwn) return
        const relation = rel.trim().toLowerCase()
        if (relation === "enclosure" && /^image\//i.test(type)) return picture(href, base, attributes, 900)
        if (relation !== "alternate" && relation !== "") return
        return address(open.links[/^$|html/i.test(type) ? 1 : 2], href, base)
      }
      case "guid": {
        const given = attributes.ispermalink ?? attributes.isPermaLink ?? attributes.isPermalink
        if (isOwn && given !== undefined) open.permalink = given.trim().toLowerCase() === "true" ? "yes" : "no"
        if (isOwn) open.base = base
        return
      }
    }
    if (keywordElements.has(name) && isOwn && term !== undefined && open.keywords.length < mostKeywords)
      open.keywords.push(term)
    if (about !== undefined && isOwn) open.found.set("id", about)
  }

  const stop = (reason: NoFeed["reason"] | null) => {
    at.trouble = reason
    at.isOver = true
    parser.pause()
  }
  const parser: Parser = new Parser(
    {
      onattribute: () => {
        if (++at.attributes > mostAttributes) stop("too many tags")
      },
      onopentag: (raw, attributes) => {
        at.attributes = 0
        if (at.isOver) return
        declare(attributes)
        const name = nameOf(raw)
        if (path.length === 0 && !["rss", "feed", "rdf:rdf", "channel"].includes(name)) return stop("not a feed")
        path.push(name)
        if (path.length > mostDepth || ++at.open > mostOpen) return stop("nested too deep")
        if (++at.tags > mostTags) return stop("too many tags")
        const given = attributes["xml:base"]
        const outer = bases.at(-1) ?? url
        const base = given === undefined ? outer : (URL.parse(given.trim(), outer)?.href ?? outer)
        bases.push(base)

        if ((name === "item" || name === "entry") && at.field === null) {
          // one that was not closed ends where the next begins
          if (at.entry !== null && path.length === at.entry.depth + 1) {
            close(false)
            path.splice(-2, 1)
            bases.splice(-2, 1)
          }
          at.entry ??= {
            depth: path.length,
            found: new Map(),
            keywords: [],
            pictures: [],
            links: [[], [], []],
            permalink: "perhaps",
            base
          }
          const about = attributes["rdf:about"] ?? attributes.about
          if (about !== undefined) at.entry.found.set("id", about)
          return
        }
        const { entry, field } = at
        if (entry !== null) byAttributes(entry, name, base, attributes)
        if (field !== null) {
          if (parting.test(name)) field.text += " "
          return
        }
        const isOwn = path.length === (entry?.depth ?? (path[1] === "channel" ? 2 : 1)) + 1
        const isText = wanted.has(name) || keywordElements.has(name)
        if (isOwn && isText && (entry !== null || name !== "link"))
          at.field = { name, depth: path.length, base, text: "" }
      },
      ontext: (part) => {
        const { field } = at
        if (at.isOver || field === null || field.text.length > mostFieldLength) return
        if (path.length === field.depth) field.text += part
        else if (field.name === "image") field.text += path.at(-1) === "url" ? part : ""
        // markup of its own: what it shows is text, and no markup any more
        else field.text += part.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
      },
      onclosetag: () => {
        if (at.isOver || path.length === 0) return
        at.open--
        const { entry, field: ended } = at
        if (ended !== null && path.length === ended.depth) {
          at.field = null
          const text = ended.text.trim()
          if (at.isEnded && entry !== null) close(true)
          else if (entry === null) {
            const name = ended.name === "image" ? "image/url" : ended.name
            const value = /^(?:icon|logo|image\/url)$/.test(name) ? Address.ofPicture(text, ended.base) : text
            if (value !== "" && !channel.has(name)) channel.set(name, value)
          } else if (keywordElements.has(ended.name)) {
            if (text !== "" && entry.keywords.length < mostKeywords) entry.keywords.push(text)
          } else if (ended.name === "link") address(entry.links[0], text, ended.base)
          else if (ended.name === "image") picture(text, ended.base, {}, 700)
          else if (text !== "" && !entry.found.has(ended.name)) entry.found.set(ended.name, text)
        }
        path.pop()
        bases.pop()
        if (at.entry !== null && path.length < at.entry.depth) close(false)
        // what follows the feed is none of its
        if (path.length === 0) stop(null)
      }
    },
    { xmlMode: true, decodeEntities: true }
  )
  for (const text of pieces) {
    for (let start = 0; start < text.length && !at.isOver; start += pieceLength) {
      parser.write(text.slice(start, start + pieceLength))
      yield
    }
    if (at.isOver) break
  }
  at.isEnded = true
  const isFeed = path.length > 0 || at.isOver
  if (!at.isOver) parser.end()
  if (at.trouble !== null) return { reason: at.trouble }
  if (!isFeed) return { reason: "not a feed" }
  return { title: channel.get("title") ?? "", icon: pick(channel, fields.icon), entries, cut: at.cut }
}
