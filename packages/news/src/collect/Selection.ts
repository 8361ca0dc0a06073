/**
 * Selection: which articles one run carries, so that its checkpoints have room for them. Pure. What is not stored yet comes
 * first, the newest before the others; what is left over is taken by the next run, which finds these stored. Articles that are
 * stored already follow as long as there is room, because their sources may have changed them.
 */
import { publishedMillis } from "../domain/Article.ts"
import type { Article } from "../domain/Article.ts"

/** Bytes of JSON; a checkpoint may have 256 KiB, and beside the articles has little else. */
export const mostBytes = 200 * 1024
const mostArticles = 300
/** A picture's address, where one may be found; longer ones are rare, and are left out where they do not fit. */
const pictureBytes = 300

export const bytesOf = (article: Article): number => Buffer.byteLength(JSON.stringify(article)) + 1
const cost = (article: Article) => bytesOf(article) + (article.thumbnail_url === null ? pictureBytes : 0)

export interface Selection {
  /** The newest first. */
  readonly taken: ReadonlyArray<Article>
  /** New articles that have no room in this run. */
  readonly left: number
}

const newest = (articles: ReadonlyArray<Article>) =>
  articles.toSorted((a, b) => publishedMillis(b) - publishedMillis(a))

/** `isNew`: whether an article is not stored yet. */
export const select = (articles: ReadonlyArray<Article>, isNew: (article: Article) => boolean): Selection => {
  const taken: Array<Article> = []
  let room = mostBytes
  const take = (article: Article) => {
    const bytes = cost(article)
    if (bytes > room || taken.length >= mostArticles) return false
    room -= bytes
    taken.push(article)
    return true
  }
  const unknown = newest(articles.filter(isNew))
  const left = unknown.filter((article) => !take(article)).length
  for (const article of left > 0 ? [] : newest(articles.filter((one) => !isNew(one)))) take(article)
  return { taken: newest(taken), left }
}

/** The same articles, without pictures that make them larger than a checkpoint; how many pictures those are. */
export const bounded = (
  articles: ReadonlyArray<Article>,
  before: ReadonlyArray<Article>
): { readonly articles: ReadonlyArray<Article>; readonly dropped: number } => {
  const had = new Map(before.map((article) => [article.id, article.thumbnail_url]))
  let room = mostBytes - before.reduce((sum, article) => sum + bytesOf(article), 0)
  let dropped = 0
  const kept = articles.map((article) => {
    const previous = had.get(article.id) ?? null
    if (article.thumbnail_url === null || article.thumbnail_url === previous) return article
    const bytes = Buffer.byteLength(article.thumbnail_url)
    if (bytes <= room) {
      room -= bytes
      return article
    }
    dropped++
    return { ...article, thumbnail_url: previous }
  })
  return { articles: kept, dropped }
}
