/**
 * ArticleKeys: the keys by which two finds are recognised as one article. Pure. Used by Deduplication (within a run) and by
 * ArticleStore (across runs, sources and processes).
 *   D1  one page is one article, whatever tracking parameters, AMP, mobile host, slash or fragment its address has; a fragment
 *       that is a path (`#/news/1`) names a page of its own
 *   D2  equal titles within 20 hours, or one day of UTC, are one article: markup, spaces, punctuation and the publisher's name do not count, every
 *       number does, with its sign. A daily column of one title is a new article each day, and so is each picture of a series
 */
import { createHash } from "node:crypto"
import type { Article } from "./Article.ts"
import * as Text from "./Text.ts"

/** Parameters that say who sent the reader, not what is read. */
const tracking =
  /^(?:utm_.*|fbclid|gclid|gbraid|wbraid|dclid|msclkid|yclid|twclid|igshid|igsh|mc_cid|mc_eid|_ga|_gl|ncid|cmpid|spm|ref_src|referrer|ns_campaign|ns_mchannel|ocid|smid|sr_share|amp|amp_js_v|outputtype)$/i

/** A part of a query as written, for comparison: `%ED%99%98` and `%ed%99%98` are the same bytes, in whatever charset. */
const sameEscapes = (part: string) => part.replace(/%[\da-f]{2}/gi, (escape) => escape.toUpperCase())
const nameOf = (part: string) => part.split("=", 1)[0] ?? ""

const page = (text: string): string | null => {
  const url = URL.parse(text)
  if (url === null) return null
  // an AMP cache has the page's address in its own path
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
  const parameters = url.search
    .slice(1)
    .split("&")
    .filter((part) => part !== "" && !tracking.test(nameOf(part)))
    .map(sameEscapes)
    .toSorted()
  const query = parameters.length === 0 ? "" : `?${parameters.join("&")}`
  // a page of an application that keeps its place there
  const place = /^#!?\/./.test(url.hash) ? url.hash : ""
  return `${host}${port}${path}${query}${place}`
}

/** The key of a page's address, equal for all its forms; the text itself if it is not a URL. Not an address to fetch. */
export const canonicalUrl = (url: string): string => page(url) ?? url

const bare = (text: string) =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/(?<=\d),(?=\d{3})/g, "")
    .replace(/[^\p{L}\p{N}\p{M}]/gu, "")
/** With their signs: the hyphen of `2026-11` is none. */
const numbers = (text: string) =>
  (
    text
      .normalize("NFKC")
      .replace(/(?<=\d),(?=\d{3})/g, "")
      .replace(/[−–]/g, "-")
      .match(/(?<![\p{L}\p{N}])[-+]?\d+(?:[.:/]\d+)*|\d+(?:[.:/]\d+)*/gu) ?? []
  ).join(",")

/** Titles that name a series: each of its pictures has the same one. */
const series =
  /^\s*[[(<【|]?\s*(?:포토|사진|화보|포토뉴스|포토\s?갤러리|갤러리|카드뉴스|그래픽|만평|만화|인포그래픽|photos?|gallery|cartoon|in pictures)\s*[\])>】|:·]/i

/** Shorter titles are headings (`[사설]`, `포토`) that many articles share. */
const shortest = 8

/**
 * The keys of a title: the first of the whole title, others without an ending that may be a publisher's name. Empty for a title
 * that is too short, or that of a series.
 */
export const titleKeys = ({ source_name, title }: Pick<Article, "title" | "source_name">): ReadonlyArray<string> => {
  let text = Text.plain(title, 1000)
  if (series.test(text)) return []
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

/** The stored keys that find an article under another address or title: hashes, so that their length is fixed. */
export interface StoredKeys {
  readonly page_key: string
  /** Null: the title identifies no article. */
  readonly title_key: string | null
  /** Of the title without a publisher's name at its end; null: it has none. */
  readonly title_body_key: string | null
}

const hashed = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 32)

/** The key of a page, equal for all forms of its address. */
export const pageKey = (url: string): string => hashed(canonicalUrl(url))

export const storedKeys = (article: Pick<Article, "title" | "source_name" | "url">): StoredKeys => {
  const [whole, body] = titleKeys(article)
  return {
    page_key: pageKey(article.url),
    title_key: whole === undefined ? null : hashed(whole),
    title_body_key: body === undefined ? null : hashed(body)
  }
}
