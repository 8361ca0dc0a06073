/**
 * RssSource: feeds (RSS, Atom, JSON Feed) by their URLs; one query a feed. An unchanged feed is not sent again (ETag, Last-Modified). The
 * bundled sample is a feed too, read from this package instead of the network.
 */
import type { GuardedFetch } from "@eco2/core/net"
import { Clock, Effect } from "effect"
import { readFile } from "node:fs/promises"
import { categories } from "../domain/Article.ts"
import type { Category } from "../domain/Article.ts"
import * as Text from "../domain/Text.ts"
import * as SourceRequest from "./SourceRequest.ts"
import type * as Feed from "./Feed.ts"
import * as FeedDate from "./FeedDate.ts"
import * as FeedDocument from "./FeedDocument.ts"
import * as FoundArticle from "./FoundArticle.ts"
import { collect } from "./Items.ts"
import { SourceReplyInvalid, SourceUnavailable } from "./NewsSource.ts"
import type { Found, Known, NewsSource, SourceError } from "./NewsSource.ts"

const nothingKnown: Known = { validators: null, movedTo: null }

/** A feed's name for runs, schedules and keys: its address may contain a secret. */
export const feedId = (feed: string): string => FoundArticle.hash("sha256", feed, 24)

/** The sample's entry in a list of feeds. */
export const sampleFeed = "sample:feed"
const sampleFile = new URL("./sample/feed.xml", import.meta.url)

/** The names of our categories in feeds. */
const names: ReadonlyMap<string, Category> = new Map([
  ...categories.map((category) => [category, category] as const),
  ["환경", "environment"],
  ["에너지", "energy"],
  ["인공지능", "ai"]
])

/** Entries whose identifier stands for several pages: it tells nothing, and their addresses identify them. */
const shared = (entries: ReadonlyArray<Feed.Entry>): ReadonlySet<string> => {
  const pages = new Map<string, string>()
  const found = new Set<string>()
  for (const { id, links } of entries) {
    const link = links[0] ?? ""
    if (pages.has(id) && pages.get(id) !== link) found.add(id)
    pages.set(id, link)
  }
  return found
}

export const make = (guarded: GuardedFetch.GuardedFetch["Service"], feeds: ReadonlyArray<string>): NewsSource => {
  /** The articles of a document from this address. `feed`: the address as it is configured, which its articles' ids contain. */
  const read = Effect.fnUntraced(function* (
    from: { readonly feed: string; readonly url: string; readonly contentType: string | null },
    bytes: Uint8Array,
    said: Pick<Found, "movedTo" | "validators">
  ): Effect.fn.Return<Found, SourceReplyInvalid> {
    const { contentType, feed, url } = from
    const nowMillis = yield* Clock.currentTimeMillis
    const found = yield* SourceRequest.inSlices("rss", function* () {
      const document = yield* FeedDocument.parse(bytes, contentType, url)
      if ("reason" in document) return document
      const { cut, entries, icon, title } = document
      const noIdentity = shared(entries)
      const sourceName = Text.plain(title, 200) || FoundArticle.hostName(url)
      const { articles, rejected } = yield* collect(entries, (entry) => {
        const link = entry.links[0] ?? ""
        const dates = entry.dates.map((text) => FeedDate.parse(text))
        const identity = entry.id === "" || noIdentity.has(entry.id) ? link : entry.id
        return FoundArticle.make(
          "rss",
          {
            id: `rss_${FoundArticle.hash("sha256", `${feed}\n${identity}`, 24)}`,
            url: link,
            title: entry.title,
            snippet: entry.summary,
            sourceName,
            iconUrl: icon,
            thumbnailUrl: entry.pictures.find((picture) => guarded.isPublic(picture.url))?.url ?? null,
            videoUrl: null,
            keywords: entry.keywords,
            aiTag: null,
            publishedMillis: dates.find((millis) => millis > 0) ?? Number.NaN,
            own: entry.keywords.flatMap((word) => names.get(word.trim().toLowerCase()) ?? [])[0] ?? null,
            asked: null
          },
          { isPublic: guarded.isPublic, nowMillis }
        )
      })
      return { articles, rejected: cut === 0 ? rejected : { ...rejected, cut } }
    })
    if ("reason" in found) {
      return yield* new SourceReplyInvalid({ source: "rss", message: `${url.split("?", 1)[0]}: ${found.reason}` })
    }
    return { ...found, ...said, unchanged: false }
  })

  return {
    name: "rss",
    queries: feeds.map((text) => ({ source: "rss", text, category: null })),
    find: Effect.fn("RssSource.find")(function* (query, known = nothingKnown): Effect.fn.Return<Found, SourceError> {
      if (query.text === sampleFeed) {
        const bytes = yield* Effect.tryPromise({
          try: () => readFile(sampleFile),
          catch: (cause) =>
            new SourceUnavailable({ source: "rss", message: `the sample: ${String(cause)}`, retryAfterMillis: null })
        })
        const url = "https://sample.invalid/feed.xml"
        return yield* read({ feed: url, url, contentType: null }, bytes, nothingKnown)
      }
      const asked = known.movedTo ?? query.text
      const { validators: version } = known
      const { body, headers, movedTo, status, url } = yield* SourceRequest.get(guarded, "rss", {
        url: asked,
        // an address that a stranger named may not be private
        trusted: URL.parse(asked)?.host === URL.parse(query.text)?.host,
        headers: {
          accept: "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5",
          ...(version?.etag == null ? {} : { "if-none-match": version.etag }),
          ...(version?.last_modified == null ? {} : { "if-modified-since": version.last_modified })
        },
        maxRedirects: 3
      })
      const moved = movedTo ?? known.movedTo
      if (status === 304) {
        return { articles: [], rejected: {}, unchanged: true, validators: version, movedTo: moved }
      }
      const etag = headers.get("etag")
      const last_modified = headers.get("last-modified")
      const validators = etag === null && last_modified === null ? null : { etag, last_modified }
      const contentType = headers.get("content-type")
      return yield* read({ feed: query.text, url, contentType }, body, { validators, movedTo: moved })
    })
  }
}
