/**
 * Keys: the one table of every key in Redis, and the only place where a key's name is made.
 * A job's keys share one hash tag, so that one script may touch them all, on a Cluster too; what belongs to the whole
 * fleet shares the tag `{fleet}`. Nothing else may be in Redis: a test reads `table` after the suite.
 * Read by everything that touches Redis; Lua builds the same names from the declared `{p}` prefix.
 */
import { hash } from "node:crypto"
import { hashSlot, slots } from "./HashSlot.ts"

export const prefix = "eco2:"

/**
 * The partition of a job or user: md5, first 8 bytes, big-endian, modulo `partitions`.
 * The same text lands in the same partition in every process and language.
 */
export const partitionOf = (text: string, partitions: number): number =>
  Number(hash("md5", text, "buffer").readBigUInt64BE(0) % BigInt(partitions))

/**
 * One tag a partition, such that partition p's slot lies in the middle half of the p-th of `partitions` equal shares of
 * the slot range: with any number of masters that divides `partitions`, each gets the same number of them.
 */
export const tags = (partitions: number): ReadonlyArray<string> => {
  const width = slots / partitions
  return Array.from({ length: partitions }, (_, partition) => {
    for (let n = 0; ; n++) {
      const tag = n === 0 ? `${partition}` : `${partition}.${n}`
      const place = hashSlot(tag) - partition * width
      if (place >= width / 4 && place < (width * 3) / 4) return tag
    }
  })
}

/** A name that may stand in a key, a mailbox and a fence: lower-case letters, digits, hyphens. Throws on another: it is the code's. */
export const word = <Name extends string>(name: Name): Name => {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) throw new Error(`"${name}" is not a word of a-z, 0-9 and -`)
  return name
}

/** Names of one partition's keys. `root` is what scripts take as KEYS[1]. */
export class Partition {
  readonly index: number
  readonly tag: string
  readonly root: string
  constructor(index: number, tag: string) {
    this.index = index
    this.tag = tag
    this.root = `${prefix}{${tag}}`
  }
  mailbox(name: string) {
    return `${this.root}:mailbox:${name}`
  }
  job(id: string) {
    return `${this.root}:job:${id}`
  }
  jobEvents(id: string) {
    return `${this.root}:job:${id}:events`
  }
  jobImage(id: string) {
    return `${this.root}:job:${id}:image`
  }
  upload(uuid: string) {
    return `${this.root}:upload:${uuid}`
  }
  lane(user: string) {
    return `${this.root}:lane:${user}`
  }
  get running() {
    return `${this.root}:running`
  }
  get events() {
    return `${this.root}:events`
  }
  get timers() {
    return `${this.root}:timers`
  }
  get later() {
    return `${this.root}:later`
  }
  dead(mailbox: string) {
    return `${this.root}:dead:${mailbox}`
  }
  limit(user: string) {
    return `${this.root}:limit:${user}`
  }
  cron(schedule: string) {
    return `${this.root}:cron:${schedule}`
  }
  get crons() {
    return `${this.root}:crons`
  }
}

export const partitionTable = (partitions: number): ReadonlyArray<Partition> =>
  tags(partitions).map((tag, index) => new Partition(index, tag))

/** The keys of one limit: one hash tag, so that one script may touch them all, wherever else the limit's owner lives. */
export interface LimitKeys {
  readonly state: string
  readonly grants: string
  readonly line: string
  readonly held: string
}
export const limit = (name: string): LimitKeys => ({
  state: `${prefix}limit:{${name}}`,
  grants: `${prefix}limit-grants:{${name}}`,
  line: `${prefix}limit-line:{${name}}`,
  held: `${prefix}limit-held:{${name}}`
})
export const breaker = (name: string): string => `${prefix}breaker:${name}`

/** A name of a limit or breaker, as models have them: also capitals and `.`, `_`, `:`, `/`. Throws on another. */
export const title = (name: string): string => {
  if (!/^[A-Za-z0-9][A-Za-z0-9._:/-]*$/.test(name)) throw new Error(`"${name}" is no name for a limit`)
  return name
}

/** What belongs to the whole fleet shares this slot. */
export const fleet = `${prefix}{fleet}`
export const alive = `${fleet}:alive`
/** Answers to what this process asked. */
export const replies = (process: string): string => `${fleet}:replies:${process}`
/** Every mailbox that anybody has served. */
export const mailboxes = `${fleet}:mailboxes`
export const meta = `${fleet}:meta`
/** `sent`: one key a publish, by its token. */
export const topic = (name: string) => {
  const root = `${fleet}:topic:${name}`
  return { log: `${root}:log`, state: `${root}:state`, sent: (token: string) => `${root}:sent:${token}` }
}

/** A revoked token, by its id. Each in a slot of its own: there may be many, and no script touches two. */
export const blacklist = (jti: string) => `${prefix}blacklist:${jti}`

/** What is cached of the news shares this slot; its scripts take this as KEYS[1]. */
export const news = `${prefix}{news}`
/** Beside the cache, each by a hash in hex: a page that was looked at in vain, a feed's version. */
export const newsLook = (page: string) => `${news}:look:${page}`
export const newsFeed = (feed: string) => `${news}:feed:${feed}`

/** One row a kind of key. `pattern` matches the name after the prefix; `lives` says when it goes away. */
export interface Row {
  readonly name: string
  readonly pattern: RegExp
  readonly type: "stream" | "hash" | "list" | "string" | "set" | "zset"
  readonly content: string
  readonly lives: string
  readonly writer: string
  readonly reader: string
  /** May remain once every job is over and its TTL has passed. */
  readonly remains: boolean
}

const p = String.raw`\{\d+(\.\d+)?\}`
const row = (
  name: string,
  pattern: string,
  type: Row["type"],
  content: string,
  lives: string,
  writer: string,
  reader: string,
  remains: boolean
): Row => ({ name, pattern: new RegExp(`^${pattern}$`), type, content, lives, writer, reader, remains })

/** Every key there is; docs/architecture.md shows the same table and a test compares the two. */
export const table: ReadonlyArray<Row> = [
  row(
    "{p}:mailbox:<actor>",
    `${p}:mailbox:[a-z0-9.-]+`,
    "stream",
    "work not done, one entry a message, with a consumer group",
    "while the actor exists; entries until acknowledged",
    "submit, begin, commit, defer, promote, redrive, append, settle, all that admit",
    "Reader",
    true
  ),
  row(
    "{p}:job:<id>",
    `${p}:job:[0-9a-f-]{36}`,
    "hash",
    "what was submitted, the fence, checkpoints, error",
    "open: no expiry; ended: JOB_TTL, LETTER_TTL where a letter is left",
    "all transitions",
    "JobStore, begin",
    false
  ),
  row(
    "{p}:job:<id>:events",
    `${p}:job:[0-9a-f-]{36}:events`,
    "list",
    "history; seq = place in the list",
    "with its job",
    "all transitions",
    "EventLog",
    false
  ),
  row(
    "{p}:job:<id>:image",
    `${p}:job:[0-9a-f-]{36}:image`,
    "string",
    "bytes of the submitted image",
    "until the last stage that reads it commits; JOB_TTL after the end at most",
    "submit",
    "stages",
    false
  ),
  row(
    "{p}:upload:<uuid>",
    `${p}:upload:[0-9a-f-]{36}`,
    "string",
    "bytes of an image on its way to a job",
    "2 minutes",
    "JobStore.upload",
    "submit",
    false
  ),
  row(
    "{p}:events",
    `${p}:events`,
    "stream",
    "all events of the partition, for live fan-out; one entry a script call",
    "each entry at least 60 s",
    "all transitions",
    "EventLog.tail",
    true
  ),
  row(
    "{p}:lane:<user>",
    `${p}:lane:.+`,
    "list",
    "jobs that wait for their user's turn",
    "while any wait",
    "submit, all that end a job",
    "all that end a job",
    false
  ),
  row(
    "{p}:running",
    `${p}:running`,
    "hash",
    'jobs admitted a user; under "" all that wait in lanes',
    "fields while above zero",
    "submit, all that end a job",
    "submit, all that end a job",
    false
  ),
  row(
    "{p}:timers",
    `${p}:timers`,
    "zset",
    "open jobs by min(next retry, deadline), delayed messages (m:<uuid>) by due time",
    "members until due or the job's end",
    "submit, defer, bury, promote, redrive, settle",
    "promote",
    false
  ),
  row("{p}:later", `${p}:later`, "hash", "bodies of delayed messages", "fields until due", "settle", "promote", false),
  row(
    "{p}:dead:<actor>",
    `${p}:dead:[a-z0-9.-]+`,
    "stream",
    "dead letters",
    "each entry LETTER_TTL",
    "begin, bury, promote, settle",
    "operator",
    true
  ),
  row(
    "{p}:limit:<user>",
    `${p}:limit:.+`,
    "list",
    "times of a user's latest submits, at most USER_RATE's number",
    "USER_RATE's window after the last",
    "submit",
    "submit",
    true
  ),
  row(
    "limit:{<name>}",
    String.raw`limit:\{.+\}`,
    "hash",
    "a limit's pause, units charged, who waits and who was granted",
    "a window after the last use, at least a minute",
    "limit-take, limit-settle, limit-pause, limit-resume",
    "limit-take",
    true
  ),
  row(
    "limit-grants:{<name>}",
    String.raw`limit-grants:\{.+\}`,
    "list",
    "times of a limit's last grants, as many as a window allows",
    "a window and a sixtieth after the last",
    "limit-take",
    "limit-take",
    true
  ),
  row(
    "limit-line:{<name>}",
    String.raw`limit-line:\{.+\}`,
    "zset",
    "who waits for a limit, by number; who comes back later, by time",
    "a minute after the last is due",
    "limit-take, limit-settle",
    "limit-take",
    true
  ),
  row(
    "limit-held:{<name>}",
    String.raw`limit-held:\{.+\}`,
    "zset",
    "grants remembered, permits with their leases, who was settled lately",
    "a lease, a window or half a minute after the last",
    "limit-take, limit-settle, limit-renew",
    "limit-take",
    true
  ),
  row(
    "breaker:<name>",
    "breaker:.+",
    "hash",
    "failures lately; of an open breaker, until when and who probes",
    "a window after the last failure; open: until it is closed, at most an hour beyond",
    "breaker-ask, breaker-report",
    "breaker-ask",
    true
  ),
  row(
    "{p}:cron:<schedule>",
    `${p}:cron:[a-z0-9-]+`,
    "hash",
    "a schedule: its expression, the last slot claimed, the last run, whether it is paused",
    "90 days after a process last declared it",
    "fire, steer",
    "fire, steer, Schedules",
    true
  ),
  row(
    "{p}:crons",
    `${p}:crons`,
    "zset",
    "schedules of the partition by when a process last looked at them",
    "members with their schedule",
    "fire",
    "fire, Schedules",
    true
  ),
  row(
    "{fleet}:alive",
    String.raw`\{fleet\}:alive`,
    "zset",
    "process token → lease expiry by Redis time; negative: condemned at that time",
    "member until leave, or 10 minutes after condemnation",
    "beat, condemn",
    "beat",
    true
  ),
  row(
    "{fleet}:replies:<process>",
    String.raw`\{fleet\}:replies:[0-9a-f-]{36}`,
    "stream",
    "answers to what a process asked, until it has read them",
    "3 minutes unless renewed",
    "Replies, whoever answers",
    "Replies",
    false
  ),
  row(
    "{fleet}:mailboxes",
    String.raw`\{fleet\}:mailboxes`,
    "set",
    "names of all mailboxes that have been served",
    "for ever, bounded by the mailboxes the code has had",
    "whoever begins to serve one",
    "Mailbox, for operators",
    true
  ),
  row(
    "{fleet}:meta",
    String.raw`\{fleet\}:meta`,
    "hash",
    "PARTITIONS and format the data was written with",
    "for ever",
    "Keyspace",
    "every process at start",
    true
  ),
  row(
    "{fleet}:topic:<name>:log",
    String.raw`\{fleet\}:topic:[a-z0-9.-]+:log`,
    "stream",
    "a topic's last events, counted",
    "about the topic's `history` of them",
    "publish",
    "TopicTail",
    true
  ),
  row(
    "{fleet}:topic:<name>:state",
    String.raw`\{fleet\}:topic:[a-z0-9.-]+:state`,
    "hash",
    'what the events have made of it; under "" count and entry id of the last',
    "for ever, bounded in fields",
    "publish",
    "TopicFollower",
    true
  ),
  row(
    "{fleet}:topic:<name>:sent:<uuid>",
    String.raw`\{fleet\}:topic:[a-z0-9.-]+:sent:[0-9a-f-]{36}`,
    "string",
    "the entry id a publish was answered with",
    "1 minute",
    "publish",
    "publish",
    false
  ),
  row(
    "blacklist:<jti>",
    "blacklist:.+",
    "string",
    "a revoked token: when it may be forgotten, whose it was, why",
    "10 s longer than the token",
    "revoke",
    "Blacklist",
    false
  ),
  row(
    "{news}:state",
    String.raw`\{news\}:state`,
    "hash",
    "the cached lists: as of when, in force until when, each one's length and whether it is complete",
    "ARTICLE_CACHE_TTL",
    "warm",
    "page, warm",
    true
  ),
  row(
    "{news}:list:<list>",
    String.raw`\{news\}:list:[a-z]+`,
    "zset",
    "the newest 200 of a category, or of all: `<id> <source> <picture>` by published ms",
    "ARTICLE_CACHE_TTL",
    "warm",
    "page",
    true
  ),
  row(
    "{news}:article:<id>",
    String.raw`\{news\}:article:[\w.-]{1,64}`,
    "string",
    "an article as it is answered, JSON",
    "ARTICLE_CACHE_TTL",
    "warm",
    "page",
    true
  ),
  row(
    "{news}:warming",
    String.raw`\{news\}:warming`,
    "string",
    "a process fills the cache",
    "5 seconds, until it is filled",
    "claim, warm",
    "claim",
    false
  ),
  row(
    "{news}:look:<page>",
    String.raw`\{news\}:look:[0-9a-f]{24}`,
    "string",
    "how the last look at a page without a picture ended, and how many there were",
    "1 day",
    "LookMemory",
    "LookMemory",
    true
  ),
  row(
    "{news}:feed:<feed>",
    String.raw`\{news\}:feed:[0-9a-f]{24}`,
    "string",
    "what a feed said of its version: ETag, Last-Modified",
    "1 day",
    "FeedVersions",
    "FeedVersions",
    true
  )
]

/** The row a key belongs to, or undefined for a stranger. */
export const rowOf = (key: string): Row | undefined =>
  key.startsWith(prefix) ? table.find((row) => row.pattern.test(key.slice(prefix.length))) : undefined
