/**
 * Keys: builds the name of every key of core; KeyTable describes each. A package with data of its own names its keys itself,
 * below `prefix`. All keys of a job share one hash tag, so that one script may use them all, on a Cluster too. Keys of the
 * whole fleet share the tag `{fleet}`. Lua scripts build the same names from the declared `{p}` prefix.
 */
import { hash } from "node:crypto"
import { hashSlot, slots } from "./HashSlot.ts"

export const prefix = "eco2:"

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

/** The keys of one limit. They share a hash tag of their own, so that one script may use them all. */
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

/** Prefix of the keys of the whole fleet, which share one slot. */
export const fleet = `${prefix}{fleet}`
export const alive = `${fleet}:alive`
/** The stream of answers to this process's asks. */
export const replies = (process: string): string => `${fleet}:replies:${process}`
/** The names of all mailboxes that were ever served. */
export const mailboxes = `${fleet}:mailboxes`
export const meta = `${fleet}:meta`
/** A process of the fleet has begun to look at all jobs (ScrubLoop). */
export const scrub = `${fleet}:scrub`
/** `sent`: one key for each publish, by its token. */
export const topic = (name: string) => {
  const root = `${fleet}:topic:${name}`
  return { log: `${root}:log`, state: `${root}:state`, sent: (token: string) => `${root}:sent:${token}` }
}
