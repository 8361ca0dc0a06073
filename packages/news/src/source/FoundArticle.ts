/**
 * FoundArticle: an article from a source, in plain text and checked, before its category is decided. Plain JSON.
 */
import { createHash } from "node:crypto"
import { Option, Result, Schema } from "effect"
import * as Address from "../domain/Address.ts"
import { Article, maxKeywords, maxSnippetLength, maxTitleLength, maxUrlLength, WebUrl } from "../domain/Article.ts"
import type { Category, Source } from "../domain/Article.ts"
import { Category as CategorySchema } from "../domain/Article.ts"
import * as Text from "../domain/Text.ts"

const { category: _, ...fields } = Article.fields

export const FoundArticle = Schema.Struct({
  ...fields,
  /** The category that the source gives it, if it is one of ours. */
  own_category: Schema.NullOr(CategorySchema),
  /** The category whose search found it. */
  asked_category: Schema.NullOr(CategorySchema)
})
export type FoundArticle = typeof FoundArticle.Type

/** The fields that a source read of one item; texts may contain markup, addresses may be anything. */
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
  /** Unix milliseconds; NaN if it has none, or none that can be read. */
  readonly publishedMillis: number
  readonly own: Category | null
  readonly asked: Category | null
}

/**
 * Why an item is no article: it is not in the source's form, has neither title nor text, no web address, or the document was
 * cut within it.
 */
export const causes = ["form", "title", "address", "cut"] as const
export type Cause = (typeof causes)[number]

const read = Schema.decodeUnknownOption(FoundArticle)
const isWebUrl = Schema.is(WebUrl)

/** The most that a date may be ahead of our clock, so that no article stays at the top of the list for ever. */
const mostAhead = 3_600_000

/**
 * An article, or why it is none. One without a date, or with one ahead of our clock, is dated now. Without a title it has the
 * first words of its text. Invalid optional fields are dropped, also a picture at an address for which `isPublic` is false.
 */
export const make = (
  source: Source,
  item: Item,
  { isPublic, nowMillis }: { readonly isPublic: (url: string) => boolean; readonly nowMillis: number }
): Result.Result<FoundArticle, Cause> => {
  const { publishedMillis } = item
  const isDated = publishedMillis > 0 && publishedMillis <= nowMillis + mostAhead
  const address = (url: string | null) => {
    const text = url?.trim() ?? ""
    return isWebUrl(text) && isPublic(text) ? text : null
  }
  const url = item.url.trim()
  if (url.length > maxUrlLength || Address.absolute(url, "") === "") return Result.fail("address")
  const title = Text.plain(item.title, maxTitleLength) || Text.firstWords(item.snippet ?? "")
  if (title === "") return Result.fail("title")
  const keywords = [...new Set(item.keywords.map((word) => Text.plain(word, 100)))].filter((word) => word !== "")
  const article = read({
    id: item.id,
    url,
    title,
    snippet: Text.plain(item.snippet ?? "", maxSnippetLength),
    source,
    source_name: Text.plain(item.sourceName ?? "", 200) || null,
    source_icon_url: address(item.iconUrl),
    thumbnail_url: address(item.thumbnailUrl),
    video_url: address(item.videoUrl),
    keywords: keywords.slice(0, maxKeywords),
    ai_tag: Text.plain(item.aiTag ?? "", 200) || null,
    published_at: new Date(Math.trunc(isDated ? publishedMillis : nowMillis)).toISOString(),
    own_category: item.own,
    asked_category: item.asked
  })
  return Option.match(article, { onNone: () => Result.fail("form"), onSome: Result.succeed })
}

/** The first `length` hex digits of a text's hash. */
export const hash = (algorithm: "md5" | "sha256", text: string, length: number): string =>
  createHash(algorithm).update(text).digest("hex").slice(0, length)

/** The publisher's name if only its page is known: `www.hani.example/a/1` gives `hani.example`. */
export const hostName = (url: string): string | null =>
  URL.parse(url)?.hostname.replace(/^(?:www|m|news|amp)\.(?=[^.]+\.)/, "") ?? null
