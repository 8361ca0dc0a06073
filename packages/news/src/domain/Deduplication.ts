/**
 * Deduplication: merges articles of one run that are the same by page (D1) or by title (D2, ArticleKeys). Pure. Keeps the first
 * and fills in what only the others have. ArticleStore recognises articles that were stored before.
 */
import { publishedMillis } from "./Article.ts"
import type { Article } from "./Article.ts"
import { canonicalUrl, titleKeys } from "./ArticleKeys.ts"
import * as Slices from "../Slices.ts"
import type { Work } from "../Slices.ts"

/** D2: longer than a newsroom's day, shorter than the time between two columns of one name. */
const titleMillis = 20 * 3_600_000
const day = 86_400_000
/** D2. The same day of UTC too: Postgres stores a title once in each. */
const areNear = (one: number, other: number) =>
  Math.abs(one - other) <= titleMillis || Math.floor(one / day) === Math.floor(other / day)

type Same = Omit<Article, "category">

/** The first article, with fields that only the second has. */
const completed = <A extends Same>(first: A, second: A): A => ({
  ...first,
  snippet: first.snippet === "" ? second.snippet : first.snippet,
  source_icon_url: first.source_icon_url ?? second.source_icon_url,
  thumbnail_url: first.thumbnail_url ?? second.thumbnail_url,
  video_url: first.video_url ?? second.video_url,
  keywords: first.keywords.length === 0 ? second.keywords : first.keywords,
  ai_tag: first.ai_tag ?? second.ai_tag,
  ...("own_category" in first && "own_category" in second
    ? { own_category: first.own_category ?? second.own_category }
    : {})
})

/** Each article once, in the order of their first appearance. In pieces, for Slices. */
export function* deduplicating<A extends Same>(articles: ReadonlyArray<A>): Work<ReadonlyArray<A>> {
  const kept: Array<A> = []
  const places = new Map<string, number>()
  /** By key: articles with this title, and articles with this title plus an ending. */
  const own = new Map<string, Array<number>>()
  const shortened = new Map<string, Array<number>>()

  const sameTitle = (article: A, [whole, body]: ReadonlyArray<string>): number | undefined => {
    const near = (place: number) => {
      const other = kept[place]
      return other !== undefined && areNear(publishedMillis(other), publishedMillis(article))
    }
    // titles with two different endings may be two articles: one of them must be without
    return [
      ...(own.get(whole ?? "") ?? []),
      ...(shortened.get(whole ?? "") ?? []),
      ...(body === undefined ? [] : (own.get(body) ?? []))
    ].find(near)
  }

  for (const article of articles) {
    yield
    const page_ = `page ${canonicalUrl(article.url)}`
    const id = `id ${article.id}`
    const keys = titleKeys(article)
    const place = places.get(page_) ?? places.get(id) ?? sameTitle(article, keys)
    const before = place === undefined ? undefined : kept[place]
    const at = place ?? kept.length
    if (before === undefined) kept.push(article)
    else kept[at] = completed(before, article)
    places.set(page_, at)
    places.set(id, at)
    if (before !== undefined) continue
    const [whole, body] = keys
    if (whole !== undefined) own.set(whole, [...(own.get(whole) ?? []), at])
    if (body !== undefined) shortened.set(body, [...(shortened.get(body) ?? []), at])
  }
  return kept
}

/** As `deduplicating`, at once. */
export const deduplicate = <A extends Same>(articles: ReadonlyArray<A>): ReadonlyArray<A> =>
  Slices.atOnce(deduplicating(articles))
