/**
 * Keys: builds the name of every key of core; KeyTable describes each. Every name begins with the installation's prefix
 * (KEY_PREFIX), so that installations share a server without touching each other: RedisClient has the names as `keys`. A
 * package with data of its own names its keys itself, below `prefix`. All keys of a job share one hash tag, so that one script
 * may use them all, on a Cluster too. Keys of the whole fleet share the tag `{fleet}`. Lua scripts build the same names from
 * the declared root of a partition.
 */
import { Schema } from "effect"
import { hash } from "node:crypto"
import { hashSlot, slots } from "./HashSlot.ts"

/** KEY_PREFIX: what every key begins with, before a colon. No braces, which mark a hash tag, and no wildcards of SCAN. */
export const Prefix = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[a-z0-9][a-z0-9._-]{0,31}$/)),
  Schema.brand("KeyPrefix")
)
export type Prefix = typeof Prefix.Type
export const defaultPrefix = Prefix.make("eco2")

/**
 * The partition of a job or user: md5, first 8 bytes, big-endian, modulo `partitions`.
 * The same text has the same partition in every process and language.
 */
export const partitionOf = (text: string, partitions: number): number =>
  Number(hash("md5", text, "buffer").readBigUInt64BE(0) % BigInt(partitions))

/**
 * One hash tag for each partition. The slot range is divided into `partitions` equal shares, and the slot of partition p lies
 * in the middle half of share p: any number of masters that divides `partitions` gets equally many partitions each.
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

/** The key names of one partition. Scripts take `root` as KEYS[1]. */
export class Partition {
  readonly index: number
  readonly tag: string
  readonly root: string
  constructor(prefix: string, index: number, tag: string) {
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
  jobCalls(id: string) {
    return `${this.root}:job:${id}:calls`
  }
  jobPartial(id: string) {
    return `${this.root}:job:${id}:partial`
  }
  jobWatched(id: string) {
    return `${this.root}:job:${id}:watched`
  }
  upload(uuid: string) {
    return `${this.root}:upload:${uuid}`
  }
  /** A picture that a user has uploaded for a scan. */
  picture(id: string) {
    return `${this.root}:picture:${id}`
  }
  lane(user: string) {
    return `${this.root}:lane:${user}`
  }
  /** The latest jobs of a user. */
  jobs(user: string) {
    return `${this.root}:jobs:${user}`
  }
  get running() {
    return `${this.root}:running`
  }
  get events() {
    return `${this.root}:events`
  }
  /** Jobs that ended, but failed ones. */
  get ended() {
    return `${this.root}:ended`
  }
  /** Jobs that failed. */
  get failed() {
    return `${this.root}:failed`
  }
  get partials() {
    return `${this.root}:partials`
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

/** The keys of one limit. They share a hash tag of their own, so that one script may use them all. */
export interface LimitKeys {
  readonly state: string
  readonly grants: string
  readonly line: string
  readonly held: string
}

/** The names of one installation's keys. */
export class Names {
  /** What every key begins with, the colon included. */
  readonly prefix: string
  /** What the keys of the whole fleet begin with; they share one slot. */
  readonly fleet: string
  constructor(prefix: Prefix) {
    this.prefix = `${prefix}:`
    this.fleet = `${this.prefix}{fleet}`
  }
  partitions(count: number): ReadonlyArray<Partition> {
    return tags(count).map((tag, index) => new Partition(this.prefix, index, tag))
  }
  limit(name: string): LimitKeys {
    return {
      state: `${this.prefix}limit:{${name}}`,
      grants: `${this.prefix}limit-grants:{${name}}`,
      line: `${this.prefix}limit-line:{${name}}`,
      held: `${this.prefix}limit-held:{${name}}`
    }
  }
  breaker(name: string) {
    return `${this.prefix}breaker:${name}`
  }
  /** The names of breakers that processes use. */
  get breakers() {
    return `${this.fleet}:breakers`
  }
  /** The names of limits that processes use. */
  get limits() {
    return `${this.fleet}:limits`
  }
  /** What operators did. */
  get audit() {
    return `${this.fleet}:audit`
  }
  get alive() {
    return `${this.fleet}:alive`
  }
  /** The stream of answers to this process's asks. */
  replies(process: string) {
    return `${this.fleet}:replies:${process}`
  }
  /** The names of all mailboxes that were ever served. */
  get mailboxes() {
    return `${this.fleet}:mailboxes`
  }
  get meta() {
    return `${this.fleet}:meta`
  }
  /** Which mailboxes each process that beats serves. */
  get serving() {
    return `${this.fleet}:serving`
  }
  /** A process of the fleet has begun to look at all jobs (ScrubLoop). */
  get scrub() {
    return `${this.fleet}:scrub`
  }
  /** A process of the fleet looks for mailboxes that nobody serves (UnservedWatch). */
  get watch() {
    return `${this.fleet}:watch`
  }
  /** It was logged that nobody serves this mailbox. */
  unserved(mailbox: string) {
    return `${this.fleet}:unserved:${mailbox}`
  }
  /** `sent`: one key for each publish, by its token. */
  topic(name: string) {
    const root = `${this.fleet}:topic:${name}`
    return { log: `${root}:log`, state: `${root}:state`, sent: (token: string) => `${root}:sent:${token}` }
  }
}
