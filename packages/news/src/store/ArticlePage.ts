/**
 * ArticlePage: what a reader asks for and is given, whichever store it comes from. Lists run from the newest back, by
 * (published_at, id); a cursor is the place of the last article given, so that what is stored meanwhile moves nothing.
 *   N1  page by page every article is given once, also those of one millisecond, whatever is inserted meanwhile
 *   N2  a page is short only at the end of its list: filters come before the cut
 * Articles travel as JSON text: what Redis holds is what the client gets.
 */
import { publishedMillis } from "../domain/Article.ts"
import type { Article, Category, Source } from "../domain/Article.ts"

/** `all`, and each category. */
export const lists = ["all", "environment", "energy", "ai"] as const
export type List = "all" | Category

/** Articles a list holds in the cache. */
export const listLength = 200

/** The place of an article in every list it is in. */
export interface Cursor {
  /** Unix milliseconds. */
  readonly millis: number
  readonly id: string
}

export interface Query {
  readonly list: List
  readonly source: "all" | Source
  /** Only those with a picture. */
  readonly hasImage: boolean
  /** Null: from the newest. */
  readonly after: Cursor | null
  readonly limit: number
}

export interface Page {
  /** Each an Article as JSON. */
  readonly articles: ReadonlyArray<string>
  /** Whether there is more after them. */
  readonly more: boolean
  /** Where the next page begins; null when there is none. */
  readonly next: string | null
}

/** A list's newest, newest first, and whether that is all of it. */
export interface Loaded {
  readonly articles: ReadonlyArray<Article>
  readonly complete: boolean
}

export const cursorText = ({ id, millis }: Cursor): string => `${millis}_${id}`
export const placeOf = (article: Article): Cursor => ({ millis: publishedMillis(article), id: article.id })

/** What four-digit years can say: others no store can. */
const leastMillis = Date.parse("0001-01-01T00:00:00.000Z")
const mostMillis = Date.parse("9999-12-31T23:59:59.999Z")

/** `{published_ms}_{id}`; undefined where it is not that. */
export const parseCursor = (text: string): Cursor | undefined => {
  const [, digits, id] = /^(-?\d{1,15})_([\w.-]{1,64})$/.exec(text) ?? []
  const millis = Number(digits)
  return id === undefined || millis < leastMillis || millis > mostMillis ? undefined : { millis, id }
}

/** `articles`: up to one more than the limit, which tells that there is more. */
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

/** Ids are ASCII: code units are bytes. */
const isAfter = (place: Cursor, cursor: Cursor) =>
  place.millis < cursor.millis || (place.millis === cursor.millis && place.id < cursor.id)

export const newestFirst = (one: Article, other: Article): number => (isAfter(placeOf(one), placeOf(other)) ? 1 : -1)

/** The page, where what is loaded tells it; undefined where it reaches beyond. */
export const cut = ({ articles, complete }: Loaded, { after, hasImage, limit, source }: Query): Page | undefined => {
  const found = articles.filter(
    (article) =>
      (after === null || isAfter(placeOf(article), after)) &&
      (source === "all" || article.source === source) &&
      (!hasImage || article.thumbnail_url !== null)
  )
  return found.length > limit || complete ? pageOf(found, limit) : undefined
}
