/**
 * Article: one piece of news as it is stored, cached and answered. Field names are the public contract (snake_case on the
 * wire); every value is JSON as it stands, so an article passes through jobs, Redis and HTTP unchanged.
 * Text is plain: no markup, no entities (Text makes it so at the sources). Which category: Classification's; what counts as
 * the same article: ArticleKeys'.
 */
import { Schema } from "effect"

/** Where an article was found: by Naver's search, by NewsData, or in a feed. */
export const sources = ["naver", "newsdata", "rss"] as const
export const Source = Schema.Literals(sources)
export type Source = typeof Source.Type

export const categories = ["environment", "energy", "ai"] as const
export const Category = Schema.Literals(categories)
export type Category = typeof Category.Type

/** The longest address that is kept of an article or a picture, characters. */
export const maxUrlLength = 2083
export const maxTitleLength = 500
export const maxSnippetLength = 500
export const maxKeywords = 20

/** An absolute http or https address of at most `maxUrlLength` characters. */
export const WebUrl = Schema.String.check(
  Schema.isMaxLength(maxUrlLength),
  Schema.makeFilter((text: string) =>
    URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? undefined : "an http or https URL"
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
  /** The publisher's page. One article a URL. */
  url: WebUrl,
  title: Schema.NonEmptyString.check(Schema.isMaxLength(maxTitleLength)),
  /** The first sentences, `""` where the source gave none. */
  snippet: Schema.String.check(Schema.isMaxLength(maxSnippetLength)),
  source: Source,
  /** The press, as the source names it. */
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

/** When it was published, unix milliseconds: what lists are sorted by, ties by id. */
export const publishedMillis = (article: Pick<Article, "published_at">): number => Date.parse(article.published_at)
