/**
 * FoundArticle: an article as a source tells it, made plain and checked, its category not yet decided. JSON as it stands.
 */
import { createHash } from "node:crypto"
import { Option, Schema } from "effect"
import { Article, maxKeywords, maxSnippetLength, maxTitleLength, maxUrlLength } from "../domain/Article.ts"
import type { Category, Source } from "../domain/Article.ts"
import { Category as CategorySchema } from "../domain/Article.ts"
import * as Text from "../domain/Text.ts"

const { category: _, ...fields } = Article.fields

export const FoundArticle = Schema.Struct({
  ...fields,
  /** The category the source itself gives it, where that is one of ours. */
  own_category: Schema.NullOr(CategorySchema),
  /** The category whose words it was found by. */
  asked_category: Schema.NullOr(CategorySchema)
})
export type FoundArticle = typeof FoundArticle.Type

/** What a source read of one item; text may hold markup, addresses may be anything. */
export interface Item {
  readonly id: string
  readonly url: string
  readonly title: string
  readonly snippet: string | null
  readonly sourceName: string | null
  readonly iconUrl: string | null
  readonly thumbnailUrl: string | null
  readonly videoUrl: string | null
  readonly keywords: ReadonlyArray<string>
  readonly aiTag: string | null
  /** Unix milliseconds; NaN where it has none. */
  readonly publishedMillis: number
  readonly own: Category | null
  readonly asked: Category | null
}

const read = Schema.decodeUnknownOption(FoundArticle)

/** A clock ahead of ours by more puts no article at the top of the list for ever. */
const mostAhead = 3_600_000

/**
 * null: no usable article (no title, no web address, no date). Of what it may do without, only the usable is kept: a
 * picture at an address for which `isPublic` is false is none.
 */
export const make = (
  source: Source,
  item: Item,
  { isPublic, nowMillis }: { readonly isPublic: (url: string) => boolean; readonly nowMillis: number }
): FoundArticle | null => {
  const { publishedMillis } = item
  if (!Number.isFinite(publishedMillis) || publishedMillis <= 0) return null
  const published = publishedMillis > nowMillis + mostAhead ? nowMillis : publishedMillis
  const address = (url: string | null) => {
    const text = url?.trim() ?? ""
    return text !== "" && text.length <= maxUrlLength && isPublic(text) ? text : null
  }
  const keywords = [...new Set(item.keywords.map((word) => Text.plain(word, 100)))].filter((word) => word !== "")
  return Option.getOrNull(
    read({
      id: item.id,
      url: item.url.trim(),
      title: Text.plain(item.title, maxTitleLength),
      snippet: Text.plain(item.snippet ?? "", maxSnippetLength),
      source,
      source_name: Text.plain(item.sourceName ?? "", 200) || null,
      source_icon_url: address(item.iconUrl),
      thumbnail_url: address(item.thumbnailUrl),
      video_url: address(item.videoUrl),
      keywords: keywords.slice(0, maxKeywords),
      ai_tag: Text.plain(item.aiTag ?? "", 200) || null,
      published_at: new Date(Math.trunc(published)).toISOString(),
      own_category: item.own,
      asked_category: item.asked
    })
  )
}

/** The first `length` hex digits of a text's hash. */
export const hash = (algorithm: "md5" | "sha256", text: string, length: number): string =>
  createHash(algorithm).update(text).digest("hex").slice(0, length)

/** The press, where only its page is known: `www.hani.example/a/1` is `hani.example`. */
export const hostName = (url: string): string | null =>
  URL.parse(url)?.hostname.replace(/^(?:www|m|news|amp)\.(?=[^.]+\.)/, "") ?? null
