/**
 * Deduplication: the same article found twice, by its page or by its title. Pure.
 *   D1  one page is one article, whatever tracking parameters, AMP, mobile host, slash or fragment its address has
 *   D2  equal titles within a day are one article: markup, spaces, punctuation and the press's name do not count,
 *       every number does
 * What is kept is the first, completed by what only the others had.
 */
import { publishedMillis } from "../domain/Article.ts"
import type { FoundArticle } from "../source/FoundArticle.ts"
import * as Text from "../domain/Text.ts"

/** Parameters that tell who sent the reader, not what is read. */
const tracking =
  /^(?:utm_.*|fbclid|gclid|gbraid|wbraid|dclid|msclkid|yclid|twclid|igshid|igsh|mc_cid|mc_eid|_ga|_gl|ncid|cmpid|spm|ref|ref_src|referrer|ns_campaign|ns_mchannel|ocid|smid|sr_share|share|amp|amp_js_v|outputtype)$/i

const page = (text: string): string | null => {
  const url = URL.parse(text)
  if (url === null) return null
  // an AMP cache names the page in its own path
  const cached = /^\/(?:[acivr]\/)?(?:s\/)?([^/]+\.[^/]+\/.*)$/.exec(url.pathname)?.[1]
  if (cached !== undefined && url.hostname.endsWith(".cdn.ampproject.org"))
    return page(`https://${cached}${url.search}`)
  const viewer = /^\/amp\/s?\/?(.+)$/.exec(url.pathname)?.[1]
  if (viewer !== undefined && /^(?:www\.)?google\.[a-z.]+$/.test(url.hostname))
    return page(`https://${viewer}${url.search}`)

  const host = url.hostname.replace(/\.$/, "").replace(/^(?:(?:www|m|mobile|amp)\.)+(?=[^.]+\.)/, "")
  const port = url.port === "" ? "" : `:${url.port}`
  const path = url.pathname
    .replace(/\/{2,}/g, "/")
    .replace(/^\/amp(?=\/.)/, "")
    .replace(/(?:\/amp|\.amp(?=\.html?$)|\.amp)\/?$/, "")
    .replace(/\.amp(?=\.html?$)/, "")
    .replace(/\/+$/, "")
  const parameters = new URLSearchParams([...url.searchParams].filter(([name]) => !tracking.test(name)))
  parameters.sort()
  const query = parameters.toString()
  return `${host}${port}${path}${query === "" ? "" : `?${query}`}`
}

/** Of those, the ones that no page needs: they are not kept in an article's address. */
const senders = /^(?:utm_.*|fbclid|gclid|gbraid|wbraid|dclid|msclkid|yclid|twclid)$/i

/** The address without who sent the reader, so that runs that find a page in different ways keep one article (its URL is unique). */
export const withoutSender = (text: string): string => {
  const url = URL.parse(text)
  const names = [...new Set(url?.searchParams.keys() ?? [])].filter((name) => senders.test(name))
  if (url === null || names.length === 0) return text
  for (const name of names) url.searchParams.delete(name)
  return url.href
}

/** What two addresses of one page have in common; of what is no URL the text itself. No address to fetch. */
export const canonicalUrl = (url: string): string => page(url) ?? url

const bare = (text: string) =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/(?<=\d),(?=\d{3})/g, "")
    .replace(/[^\p{L}\p{N}]/gu, "")
const numbers = (text: string) =>
  (
    text
      .normalize("NFKC")
      .replace(/(?<=\d),(?=\d{3})/g, "")
      .match(/\d+(?:[.:/]\d+)*/g) ?? []
  ).join(",")

/** Titles shorter than this are headings (`[사설]`, `포토`), many articles have them. */
const shortest = 8

/**
 * What equal titles have in common; the first is the title's own, others are what it is without a name at its end that
 * may be a press's. Empty for a title that is too short to tell.
 */
export const titleKeys = ({
  source_name,
  title
}: Pick<FoundArticle, "title" | "source_name">): ReadonlyArray<string> => {
  let text = Text.plain(title, 1000)
  const press = bare(source_name ?? "")
  const isPress = (part: string) => press !== "" && bare(part) === press
  const [, front = "", afterFront = ""] = /^\s*[[(<【]([^\])>】]{1,40})[\])>】]\s*(.+)$/.exec(text) ?? []
  if (isPress(front)) text = afterFront
  const parts =
    /^(.+?)\s+[-–—|:·]+\s+([^-–—|]{1,30})$/.exec(text) ?? /^(.+?)\s*[[(<【]([^\])>】]{1,30})[\])>】]\s*$/.exec(text)
  const [, body = "", end = ""] = parts ?? []
  if (isPress(end)) text = body
  const key = (of: string) => (bare(of).length < shortest ? [] : [`${bare(of)}#${numbers(of)}`])
  return [...key(text), ...(body !== "" && text !== body && !/\d/.test(end) ? key(body) : [])]
}

const day = 86_400_000

/** The first, and of the second what the first lacks. */
const completed = (first: FoundArticle, second: FoundArticle): FoundArticle => ({
  ...first,
  snippet: first.snippet === "" ? second.snippet : first.snippet,
  source_icon_url: first.source_icon_url ?? second.source_icon_url,
  thumbnail_url: first.thumbnail_url ?? second.thumbnail_url,
  video_url: first.video_url ?? second.video_url,
  keywords: first.keywords.length === 0 ? second.keywords : first.keywords,
  ai_tag: first.ai_tag ?? second.ai_tag,
  own_category: first.own_category ?? second.own_category
})

/** Each article once, in the order of their first appearance. */
export const deduplicate = (articles: ReadonlyArray<FoundArticle>): ReadonlyArray<FoundArticle> => {
  const kept: Array<FoundArticle> = []
  const places = new Map<string, number>()
  /** By key: articles whose own title it is, and those of whom it is a title without its end. */
  const own = new Map<string, Array<number>>()
  const shortened = new Map<string, Array<number>>()

  const sameTitle = (article: FoundArticle, [whole, body]: ReadonlyArray<string>): number | undefined => {
    const near = (place: number) => {
      const other = kept[place]
      return other !== undefined && Math.abs(publishedMillis(other) - publishedMillis(article)) <= day
    }
    // two different ends may be two different articles: one of the two titles must be without
    return [
      ...(own.get(whole ?? "") ?? []),
      ...(shortened.get(whole ?? "") ?? []),
      ...(body === undefined ? [] : (own.get(body) ?? []))
    ].find(near)
  }

  for (const article of articles) {
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
  return kept.map((article) => ({ ...article, url: withoutSender(article.url) }))
}
