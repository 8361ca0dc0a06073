/**
 * NaverSource: Naver's news search, newest first, 30 items a call. API reference:
 * https://developers.naver.com/docs/serviceapi/search/news/news.md
 */
import type { GuardedFetch } from "@eco2/core/net"
import { Clock, Effect, Redacted, Schema } from "effect"
import * as SourceRequest from "./SourceRequest.ts"
import * as FoundArticle from "./FoundArticle.ts"
import * as Address from "../domain/Address.ts"
import * as FeedDate from "./FeedDate.ts"
import { collect, decoded } from "./Items.ts"
import { SourceReplyInvalid } from "./NewsSource.ts"
import type { NewsSource, Query } from "./NewsSource.ts"

export interface NaverSettings {
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted
  /** Without a path: `https://openapi.naver.com`. */
  readonly baseUrl: string
  readonly queries: ReadonlyArray<Query>
}

const Reply = Schema.fromJsonString(Schema.Struct({ items: Schema.Array(Schema.Unknown) }))
const Item = Schema.Struct({
  title: Schema.String,
  /** The publisher's page, perhaps without a scheme; "" or null if it has none. */
  originallink: Schema.optional(Schema.NullOr(Schema.String)),
  /** The page at Naver, or the publisher's page again. */
  link: Schema.optional(Schema.NullOr(Schema.String)),
  description: Schema.optional(Schema.NullOr(Schema.String)),
  pubDate: Schema.optional(Schema.NullOr(Schema.String))
})

export const make = (guarded: GuardedFetch.GuardedFetch["Service"], settings: NaverSettings): NewsSource => ({
  name: "naver",
  queries: settings.queries,
  find: Effect.fn("NaverSource.find")(function* (query) {
    const words = new URLSearchParams({ query: query.text, display: "30", sort: "date" })
    const { body } = yield* SourceRequest.get(guarded, "naver", {
      url: `${settings.baseUrl}/v1/search/news.json?${words}`,
      headers: {
        "x-naver-client-id": settings.clientId,
        "x-naver-client-secret": Redacted.value(settings.clientSecret),
        accept: "application/json"
      },
      maxRedirects: 0
    })
    const { items } = yield* Schema.decodeUnknownEffect(Reply)(Buffer.from(body).toString("utf8")).pipe(
      Effect.mapError(
        () => new SourceReplyInvalid({ source: "naver", message: "the reply is not in the format of Naver's search" })
      )
    )
    const nowMillis = yield* Clock.currentTimeMillis
    const read = decoded(Item, (item) => {
      const url = Address.ofPage(item.originallink ?? "") || Address.ofPage(item.link ?? "")
      return FoundArticle.make(
        "naver",
        {
          id: `naver_${FoundArticle.hash("md5", url, 12)}`,
          url,
          title: item.title,
          snippet: item.description ?? null,
          sourceName: FoundArticle.hostName(url),
          iconUrl: null,
          thumbnailUrl: null,
          videoUrl: null,
          keywords: [],
          aiTag: null,
          publishedMillis: FeedDate.parse(item.pubDate ?? ""),
          own: null,
          asked: query.category
        },
        { isPublic: guarded.isPublic, nowMillis }
      )
    })
    return {
      ...(yield* SourceRequest.inSlices("naver", () => collect(items, read))),
      unchanged: false,
      validators: null,
      movedTo: null
    }
  })
})
