/**
 * ArticleKeys: the keys by which two finds are recognised as one article. Pure. Used by Deduplication (within a run) and by
 * ArticleStore (across runs, sources and processes).
 *   D1  one page is one article, whatever tracking parameters, AMP, mobile host, slash or fragment its address has
 *   D2  equal titles within a day are one article: markup, spaces, punctuation and the publisher's name do not count, every
 *       number does
 */
import { createHash } from "node:crypto"
import type { Article } from "./Article.ts"
import * as Text from "./Text.ts"

/** Parameters that say who sent the reader, not what is read. */
const tracking =
  /^(?:utm_.*|fbclid|gclid|gbraid|wbraid|dclid|msclkid|yclid|twclid|igshid|igsh|mc_cid|mc_eid|_ga|_gl|ncid|cmpid|spm|ref|ref_src|referrer|ns_campaign|ns_mchannel|ocid|smid|sr_share|share|amp|amp_js_v|outputtype)$/i

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
  const parameters = new URLSearchParams([...url.searchParams].filter(([name]) => !tracking.test(name)))
  parameters.sort()
  const query = parameters.toString()
  return `${host}${port}${path}${query === "" ? "" : `?${query}`}`
}

/** The ones of these that no page needs; they are removed from an article's address. */
const senders = /^(?:utm_.*|fbclid|gclid|gbraid|wbraid|dclid|msclkid|yclid|twclid)$/i

/** The address without tracking parameters, so that all runs store one URL for a page (it is unique). */
export const withoutSender = (text: string): string => {
  const url = URL.parse(text)
  const names = [...new Set(url?.searchParams.keys() ?? [])].filter((name) => senders.test(name))
  if (url === null || names.length === 0) return text
  for (const name of names) url.searchParams.delete(name)
  return url.href
}

/** The key of a page's address, equal for all its forms; the text itself if it is not a URL. Not an address to fetch. */
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

/** Shorter titles are headings (`[사설]`, `포토`) that many articles share. */
const shortest = 8

/**
 * The keys of a title: the first of the whole title, others without an ending that may be a publisher's name. Empty for a title
 * that is too short.
 */
export const titleKeys = ({ source_name, title }: Pick<Article, "title" | "source_name">): ReadonlyArray<string> => {
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

/** The stored keys that find an article under another address or title: hashes, so that their length is fixed. */
export interface StoredKeys {
  readonly page_key: string
  /** Null: the title is too short. */
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
