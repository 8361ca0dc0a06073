/**
 * RssSource: RSS and Atom feeds by their URLs; one query a feed. An unchanged feed is not sent again (ETag, Last-Modified). The
 * bundled sample is a feed too, read from this package instead of the network.
 */
import type { GuardedFetch } from "@eco2/core/net"
import { Clock, Effect, Schema } from "effect"
import { readFile } from "node:fs/promises"
import { categories } from "../domain/Article.ts"
import type { Category } from "../domain/Article.ts"
import * as Charset from "../domain/Charset.ts"
import * as Text from "../domain/Text.ts"
import * as SourceRequest from "./SourceRequest.ts"
import * as Feed from "./Feed.ts"
import * as FoundArticle from "./FoundArticle.ts"
import { collect } from "./Items.ts"
import { SourceReplyInvalid, SourceUnavailable } from "./NewsSource.ts"
import type { Found, NewsSource, SourceError, Validators } from "./NewsSource.ts"

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

const Entry = Schema.Struct({
  id: Schema.String,
  link: Schema.String,
  title: Schema.String,
  summary: Schema.String,
  published: Schema.String,
  picture: Schema.String,
  keywords: Schema.Array(Schema.String)
})

/**
 * Unix milliseconds of a feed's date: RFC 822 or ISO 8601. A date without a zone is in Korea's, as in Korean feeds; Date.parse
 * would use this machine's.
 */
const dateOf = (text: string): number => {
  const date = text.trim().replace(/\bKST$/, "+0900")
  if (/(?:\dZ|UTC?|GMT|[ECMP][SD]T|[+-]\d\d:?\d\d)$/i.test(date)) return Date.parse(date)
  const [, day, time = "00:00"] = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?$/.exec(date) ?? []
  return Date.parse(day === undefined ? `${date} +0900` : `${day}T${time}+09:00`)
}

export const make = (guarded: GuardedFetch.GuardedFetch["Service"], feeds: ReadonlyArray<string>): NewsSource => {
  const read = Effect.fnUntraced(function* (
    url: string,
    text: string,
    validators: Validators | null
  ): Effect.fn.Return<Found, SourceReplyInvalid> {
    const feed = Feed.parse(text)
    if (feed === null) {
      return yield* new SourceReplyInvalid({ source: "rss", message: `${url.split("?", 1)[0]} is not a feed` })
    }
    const nowMillis = yield* Clock.currentTimeMillis
    const absolute = (link: string) => (link === "" ? "" : (URL.parse(link, url)?.href ?? ""))
    return {
      ...collect(feed.entries, Entry, (entry) => {
        const link = absolute(entry.link === "" && /^https?:/.test(entry.id) ? entry.id : entry.link)
        return FoundArticle.make(
          "rss",
          {
            id: `rss_${FoundArticle.hash("sha256", `${url}\n${entry.id === "" ? link : entry.id}`, 24)}`,
            url: link,
            title: entry.title,
            snippet: entry.summary,
            sourceName: Text.plain(feed.title, 200) || FoundArticle.hostName(url),
            iconUrl: absolute(feed.icon),
            thumbnailUrl: absolute(entry.picture),
            videoUrl: null,
            keywords: entry.keywords,
            aiTag: null,
            publishedMillis: dateOf(entry.published === "" ? feed.updated : entry.published),
            own: entry.keywords.flatMap((word) => names.get(word.toLowerCase()) ?? [])[0] ?? null,
            asked: null
          },
          { isPublic: guarded.isPublic, nowMillis }
        )
      }),
      unchanged: false,
      validators
    }
  })

  return {
    name: "rss",
    queries: feeds.map((text) => ({ source: "rss", text, category: null })),
    find: Effect.fn("RssSource.find")(function* (query, known = null): Effect.fn.Return<Found, SourceError> {
      if (query.text === sampleFeed) {
        const text = yield* Effect.tryPromise({
          try: () => readFile(sampleFile, "utf8"),
          catch: (cause) =>
            new SourceUnavailable({ source: "rss", message: `the sample: ${String(cause)}`, retryAfterMillis: null })
        })
        return yield* read("https://sample.invalid/feed.xml", text, null)
      }
      const { body, headers, status, url } = yield* SourceRequest.get(guarded, "rss", {
        url: query.text,
        headers: {
          accept: "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1",
          ...(known?.etag == null ? {} : { "if-none-match": known.etag }),
          ...(known?.last_modified == null ? {} : { "if-modified-since": known.last_modified })
        },
        maxRedirects: 3
      })
      if (status === 304) return { articles: [], rejected: 0, unchanged: true, validators: known }
      const etag = headers.get("etag")
      const last_modified = headers.get("last-modified")
      const validators = etag === null && last_modified === null ? null : { etag, last_modified }
      return yield* read(url, Charset.decode(body, headers.get("content-type")), validators)
    })
  }
}
