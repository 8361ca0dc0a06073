/** NewsKeys: the keys of the news, which share one slot, and their entries in the table of keys. */
import { KeyTable } from "@eco2/core/redis"
import type { Keys } from "@eco2/core/redis"

/** The prefix of all these keys, and their slot; the cache's scripts take it as KEYS[1]. */
export const root = ({ prefix }: Keys.Names) => `${prefix}{news}`
/** Keys beside the cache, by a hash in hex: a page without a picture (look), a feed's version, and where it is. */
export const look = (keys: Keys.Names, page: string) => `${root(keys)}:look:${page}`
export const feed = (keys: Keys.Names, feed: string) => `${root(keys)}:feed:${feed}`
export const place = (keys: Keys.Names, feed: string) => `${root(keys)}:place:${feed}`

export const table: ReadonlyArray<KeyTable.Row> = [
  KeyTable.row(
    "{news}:state",
    String.raw`\{news\}:state`,
    "hash",
    "the cached lists: as of when, in force until when, each one's length and whether it is complete",
    "ARTICLE_CACHE_TTL",
    "warm",
    "page, warm",
    true
  ),
  KeyTable.row(
    "{news}:list:<list>",
    String.raw`\{news\}:list:[a-z]+`,
    "zset",
    "the newest 200 of a category, or of all: `<id> <source> <picture>` by published ms",
    "ARTICLE_CACHE_TTL",
    "warm",
    "page",
    true
  ),
  KeyTable.row(
    "{news}:article:<id>",
    String.raw`\{news\}:article:[\w.-]{1,64}`,
    "string",
    "an article as it is answered, JSON",
    "ARTICLE_CACHE_TTL",
    "warm",
    "page",
    true
  ),
  KeyTable.row(
    "{news}:warming",
    String.raw`\{news\}:warming`,
    "string",
    "a process fills the cache",
    "5 seconds, until it is filled",
    "claim, warm",
    "claim",
    false
  ),
  KeyTable.row(
    "{news}:look:<page>",
    String.raw`\{news\}:look:[0-9a-f]{24}`,
    "string",
    "how the last look at a page without a picture ended, and how many there were",
    "1 day",
    "LookMemory",
    "LookMemory",
    true
  ),
  KeyTable.row(
    "{news}:feed:<feed>",
    String.raw`\{news\}:feed:[0-9a-f]{24}`,
    "string",
    "what a feed said of its version: ETag, Last-Modified",
    "1 day",
    "FeedMemory",
    "FeedMemory",
    true
  ),
  KeyTable.row(
    "{news}:place:<feed>",
    String.raw`\{news\}:place:[0-9a-f]{24}`,
    "string",
    "where a feed has moved for good, and whether it is gone",
    "1 day",
    "FeedMemory",
    "FeedMemory",
    true
  )
]
