/**
 * Article: one piece of news as stored, cached and answered. Field names are the public contract (snake_case on the wire);
 * every value is plain JSON, so an article passes through jobs, Redis and HTTP unchanged.
 * Texts are plain: no markup, no entities (Text removes them at the sources). Classification decides the category, ArticleKeys
 * what counts as the same article.
 */
import { Schema } from "effect"

/** Where an article was found: by Naver's search, by NewsData, or in a feed. */
export const sources = ["naver", "newsdata", "rss"] as const
export const Source = Schema.Literals(sources)
export type Source = typeof Source.Type

export const categories = ["environment", "energy", "ai"] as const
export const Category = Schema.Literals(categories)
export type Category = typeof Category.Type

/** The longest address of an article or a picture that is kept, in characters. */
export const maxUrlLength = 2083
export const maxTitleLength = 500
export const maxSnippetLength = 500
export const maxKeywords = 20

/** An absolute http or https address of at most `maxUrlLength` characters, none of which a store refuses. */
export const WebUrl = Schema.String.check(
  Schema.isMaxLength(maxUrlLength),
  Schema.makeFilter((text: string) =>
    !/[\0\p{Cs}]/u.test(text) && URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
      ? undefined
      : "an http or https URL"
  )
)

/** UTC with milliseconds, `2026-11-21T09:30:00.000Z`: sorts as it reads. */
const Instant = Schema.String.check(
  Schema.makeFilter((text: string) => {
    const millis = Date.parse(text)
    return !Number.isNaN(millis) && new Date(millis).toISOString() === text ? undefined : "an ISO instant in UTC"
  })
)

export const Article = Schema.Struct({
  /** `naver_` and 12 hex of the original link's MD5; NewsData's `article_id`; `rss_` and 24 hex of feed and entry. */
  id: Schema.NonEmptyString.check(Schema.isMaxLength(64), Schema.isPattern(/^[\w.-]+$/)),
  /** The publisher's page; unique. */
  url: WebUrl,
  title: Schema.NonEmptyString.check(Schema.isMaxLength(maxTitleLength)),
  /** The first sentences, `""` if the source gave none. */
  snippet: Schema.String.check(Schema.isMaxLength(maxSnippetLength)),
  source: Source,
  /** The publisher, as the source names it. */
  source_name: Schema.NullOr(Schema.String.check(Schema.isMaxLength(200))),
  source_icon_url: Schema.NullOr(WebUrl),
  thumbnail_url: Schema.NullOr(WebUrl),
  video_url: Schema.NullOr(WebUrl),
  category: Category,
  keywords: Schema.Array(Schema.NonEmptyString.check(Schema.isMaxLength(100))).check(Schema.isMaxLength(maxKeywords)),
  /** NewsData's own tag. */
  ai_tag: Schema.NullOr(Schema.String.check(Schema.isMaxLength(200))),
  published_at: Instant
})
export type Article = typeof Article.Type

/** The time of publication, unix milliseconds; lists are sorted by it, ties by id. */
export const publishedMillis = (article: Pick<Article, "published_at">): number => Date.parse(article.published_at)
