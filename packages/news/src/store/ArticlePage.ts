/**
 * ArticlePage: a reader's query and page, the same for both stores. Lists run from the newest back, by (published_at, id). A
 * cursor is the place of the last article returned, so new articles move nothing.
 *   N1  page by page every article is returned once, also those of one millisecond, whatever is inserted meanwhile
 *   N2  only the last page of a list is short: filters apply before the cut
 * Articles travel as JSON text: the client gets what Redis holds.
 */
import { publishedMillis } from "../domain/Article.ts"
import type { Article, Category, Source } from "../domain/Article.ts"

/** `all`, and one for each category. */
export const lists = ["all", "environment", "energy", "ai"] as const
export type List = "all" | Category

/** Articles of a list in the cache. */
export const listLength = 200

/** The place of an article in its lists. */
export interface Cursor {
  /** Unix milliseconds. */
  readonly millis: number
  readonly id: string
}

export interface Query {
  readonly list: List
  readonly source: "all" | Source
  /** Only articles with a picture. */
  readonly hasImage: boolean
  /** Null: from the newest. */
  readonly after: Cursor | null
  readonly limit: number
}

export interface Page {
  /** Each an Article as JSON. */
  readonly articles: ReadonlyArray<string>
  /** Whether more articles follow. */
  readonly more: boolean
  /** The cursor of the next page; null if there is none. */
  readonly next: string | null
}

/** The newest articles of a list, newest first, and whether they are the whole list. */
export interface Loaded {
  readonly articles: ReadonlyArray<Article>
  readonly complete: boolean
}

export const cursorText = ({ id, millis }: Cursor): string => `${millis}_${id}`
export const placeOf = (article: Article): Cursor => ({ millis: publishedMillis(article), id: article.id })

/** The range of four-digit years; no store holds other times. */
const leastMillis = Date.parse("0001-01-01T00:00:00.000Z")
const mostMillis = Date.parse("9999-12-31T23:59:59.999Z")

/**
 * `{published_ms}_{id}`, or the milliseconds alone, as old clients have them: then the page begins with older articles. undefined
 * if the text is not a cursor.
 */
export const parseCursor = (text: string): Cursor | undefined => {
  const [, digits, id = ""] = /^(-?\d{1,15})(?:_([\w.-]{1,64}))?$/.exec(text) ?? []
  const millis = Number(digits)
  return digits === undefined || millis < leastMillis || millis > mostMillis ? undefined : { millis, id }
}

/** `articles`: up to one more than the limit, which shows that more follow. */
export const pageOf = (articles: ReadonlyArray<Article>, limit: number): Page => {
  const shown = articles.slice(0, limit)
  const last = shown.at(-1)
  const more = articles.length > limit
  return {
    articles: shown.map((article) => JSON.stringify(article)),
    more,
    next: more && last !== undefined ? cursorText(placeOf(last)) : null
  }
}

/** Ids are ASCII, so comparing code units is comparing bytes. */
const isAfter = (place: Cursor, cursor: Cursor) =>
  place.millis < cursor.millis || (place.millis === cursor.millis && place.id < cursor.id)

export const newestFirst = (one: Article, other: Article): number => (isAfter(placeOf(one), placeOf(other)) ? 1 : -1)

/** The page from loaded articles; undefined if it reaches beyond them. */
export const cut = ({ articles, complete }: Loaded, { after, hasImage, limit, source }: Query): Page | undefined => {
  const found = articles.filter(
    (article) =>
      (after === null || isAfter(placeOf(article), after)) &&
      (source === "all" || article.source === source) &&
      (!hasImage || article.thumbnail_url !== null)
  )
  return found.length > limit || complete ? pageOf(found, limit) : undefined
}
