/**
 * NewsDataSource: NewsData's latest news, 10 items a call. API reference: https://newsdata.io/documentation
 * A field that the plan does not cover contains a sentence saying so; such a field is read as absent.
 */
import type { GuardedFetch } from "@eco2/core/net"
import { Clock, Effect, Redacted, Schema } from "effect"
import { categories } from "../domain/Article.ts"
import * as SourceRequest from "./SourceRequest.ts"
import * as FoundArticle from "./FoundArticle.ts"
import * as FeedDate from "./FeedDate.ts"
import { collect, decoded } from "./Items.ts"
import { SourceReplyInvalid } from "./NewsSource.ts"
import type { NewsSource, Query } from "./NewsSource.ts"

export interface NewsDataSettings {
  readonly apiKey: Redacted.Redacted
  /** Without a path: `https://newsdata.io`. */
  readonly baseUrl: string
  readonly queries: ReadonlyArray<Query>
}

const Text = Schema.optional(Schema.NullOr(Schema.String))
const Words = Schema.optional(Schema.NullOr(Schema.Union([Schema.String, Schema.Array(Schema.String)])))
const Reply = Schema.fromJsonString(
  Schema.Struct({ status: Schema.Literal("success"), results: Schema.Array(Schema.Unknown) })
)
const Item = Schema.Struct({
  article_id: Schema.NonEmptyString,
  title: Schema.String,
  link: Schema.String,
  description: Text,
  keywords: Words,
  video_url: Text,
  image_url: Text,
  /** `2026-11-21 09:30:00`, in UTC unless `pubDateTZ` names another zone, which it currently never does. */
  pubDate: Text,
  source_id: Text,
  source_name: Text,
  source_icon: Text,
  category: Words,
  ai_tag: Words
})

const notCovered = /^ONLY AVAILABLE IN /i
const given = (text: string | null | undefined): string | null =>
  text === null || text === undefined || notCovered.test(text) ? null : text
const list = (words: string | ReadonlyArray<string> | null | undefined): ReadonlyArray<string> =>
  (typeof words === "string" ? words.split(",") : (words ?? []))
    .map((word) => word.trim())
    .filter((word) => given(word))

export const make = (guarded: GuardedFetch.GuardedFetch["Service"], settings: NewsDataSettings): NewsSource => ({
  name: "newsdata",
  queries: settings.queries,
  find: Effect.fn("NewsDataSource.find")(function* (query) {
    const words = new URLSearchParams({ apikey: Redacted.value(settings.apiKey), q: query.text, size: "10" })
    const { body } = yield* SourceRequest.get(guarded, "newsdata", {
      url: `${settings.baseUrl}/api/1/latest?${words}`,
      headers: { accept: "application/json" },
      maxRedirects: 0
    })
    const { results } = yield* Schema.decodeUnknownEffect(Reply)(Buffer.from(body).toString("utf8")).pipe(
      Effect.mapError(
        () => new SourceReplyInvalid({ source: "newsdata", message: "the reply is not in NewsData's format" })
      )
    )
    const nowMillis = yield* Clock.currentTimeMillis
    const read = decoded(Item, (item) => {
      const named = list(item.category)
      return FoundArticle.make(
        "newsdata",
        {
          id: item.article_id,
          url: item.link,
          title: item.title,
          snippet: given(item.description),
          sourceName: given(item.source_name) ?? given(item.source_id),
          iconUrl: given(item.source_icon),
          thumbnailUrl: given(item.image_url),
          videoUrl: given(item.video_url),
          keywords: list(item.keywords),
          aiTag: list(item.ai_tag).join(", "),
          publishedMillis: FeedDate.parse(item.pubDate ?? "", 0),
          own: categories.find((category) => named.includes(category)) ?? null,
          asked: query.category
        },
        { isPublic: guarded.isPublic, nowMillis }
      )
    })
    return {
      ...(yield* SourceRequest.inSlices("newsdata", () => collect(results, read))),
      unchanged: false,
      validators: null,
      movedTo: null
    }
  })
})
