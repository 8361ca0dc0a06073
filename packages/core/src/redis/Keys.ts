/**
 * Keys: the only place where the name of a key of core is made; KeyTable says what each is. Packages that keep data of their
 * own name their keys themselves, below `prefix`.
 * A job's keys share one hash tag, so that one script may touch them all, on a Cluster too; what belongs to the whole
 * fleet shares the tag `{fleet}`. Lua builds the same names from the declared `{p}` prefix.
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
