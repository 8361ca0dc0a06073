/**
 * Delivery: one mailbox entry in the hands of this process, from the read until its slot is free again. Known to the
 * ActorSystem, which reconciles deliveries with the process's own pending list (A4), and to the behavior that works on it.
 * Its state changes by the methods below and nowhere else:
 *
 *   state      what is so                                           leaves it by
 *   waiting    taken up, no fiber works on it yet                   begun
 *   working    its fiber runs; a time-out may stand (`timeoutAt`)   settle, end
 *   ended      `endReason` says why; its fiber is interrupted       settle, where a failed or returned attempt is recorded
 *   settling   a result is on its way to Redis: not interrupted     keptFor (working again, for a later stage), or its slot is freed
 */
import type { Fiber } from "effect"
import { Schema } from "effect"
import type { Partition } from "../redis/Keys.ts"

/** What an interrupted delivery is to do: nothing (others have it), hand its work back at once (A5), or fail its attempt (A3). */
export type EndReason = "lost" | "release" | "timeout"

/** Deliveries nobody reported back from after which an entry is given up; the last two are made alone in their process (A2). */
export const maxDeliveries = 5
export const aloneFrom = maxDeliveries - 2

/** What is read of an entry, and never changes. */
interface Read {
  readonly partition: Partition
  /** The mailbox the entry is in. */
  readonly mailbox: string
  readonly entry: string
  readonly fields: ReadonlyMap<string, string>
  /** The consumer (process token) it was delivered to. */
  readonly consumer: string
  /** Rises with every reconciliation: a delivery younger than the list it is compared with is left alone. */
  readonly bornAt: number
}

export class Delivery implements Read {
  /** `<partition>/<mailbox>/<entry id>` */
  readonly key: string
  readonly partition: Partition
  readonly mailbox: string
  readonly entry: string
  readonly fields: ReadonlyMap<string, string>
  readonly consumer: string
  readonly bornAt: number
  #slot: string
  #fiber: Fiber.Fiber<void> | null = null
  #settling = false
  #endReason: EndReason | null = null
  #timeoutAt: number | null = null

  constructor(read: Read) {
    this.key = keyOf(read.partition, read.mailbox, read.entry)
    this.partition = read.partition
    this.mailbox = read.mailbox
    this.entry = read.entry
    this.fields = read.fields
    this.consumer = read.consumer
    this.bornAt = read.bornAt
    this.#slot = read.mailbox
  }

  /** The mailbox whose slot it takes: another one while the job is kept for a later stage. */
  get slot(): string {
    return this.#slot
  }
  /** Whether a fiber has begun to work on it. */
  get isBegun(): boolean {
    return this.#fiber !== null
  }
  get isSettling(): boolean {
    return this.#settling
  }
  get endReason(): EndReason | null {
    return this.#endReason
  }
  /** When the present attempt times out, by performance.now(); null: it does not, or the result is on its way. */
  get timeoutAt(): number | null {
    return this.#settling ? null : this.#timeoutAt
  }

  /** A fiber works on it. Answers whether it was ended before, so that the fiber is to be interrupted. */
  begun(fiber: Fiber.Fiber<void>): boolean {
    this.#fiber = fiber
    return this.#endReason !== null && !this.#settling
  }

  /** The present attempt times out then. */
  timesOutAt(at: number): void {
    this.#timeoutAt = at
  }

  /** Stops the attempt's clock; answers the milliseconds that were left. */
  stopClock(): number {
    const left = (this.#timeoutAt ?? Infinity) - performance.now()
    this.#timeoutAt = null
    return Math.max(1, left)
  }

  settle(): void {
    this.#settling = true
  }

  /** Its result is recorded, and the job stays here for a later stage, in that mailbox's slot. */
  keptFor(mailbox: string): void {
    this.#slot = mailbox
    this.#settling = false
    this.#timeoutAt = null
  }

  /**
   * Ends it from outside its fiber; the first reason stands. Answers the fiber to interrupt: none where no fiber has begun, or
   * a result is on its way, which is let through while what would follow it is not. A time-out is the attempt's that settles,
   * not that of the stage the job may be kept for.
   */
  end(reason: EndReason): Fiber.Fiber<void> | null {
    if (this.#endReason !== null || (reason === "timeout" && this.#settling)) return null
    this.#endReason = reason
    return this.#settling ? null : this.#fiber
  }
}

export const keyOf = (partition: Partition, mailbox: string, entry: string): string =>
  `${partition.index}/${mailbox}/${entry}`

export const Entry = Schema.Tuple([Schema.String, Schema.NullOr(Schema.Array(Schema.String))])
/** `[id, [field, value, …]]`, as XREADGROUP, XCLAIM and XRANGE give them. */
export type Entry = typeof Entry.Type
export const Entries = Schema.Array(Entry)
/** `[[key, entries], …]` or null when the read timed out. */
export const ReadReply = Schema.NullOr(Schema.Array(Schema.Tuple([Schema.String, Entries])))
