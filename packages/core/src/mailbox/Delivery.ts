/**
 * Delivery: one mailbox entry held by this process, from the read until its slot is free again. Used by ActorSystem, which
 * reconciles deliveries with the process's own pending list (A4), and by the behavior that handles it.
 * Only the methods below change its state:
 *
 *   state      meaning                                              leaves it by
 *   waiting    taken, its work has not begun                        begun
 *   working    its fiber runs, if its work needs one; a time-out    settle, end
 *              may stand (`timeoutAt`)
 *   ended      `endReason` says why; its fiber is interrupted       settle, where a failed or returned attempt is recorded
 *   settling   a result is on its way to Redis: not interrupted     keptFor (working again, for a later stage), or its slot is freed
 *   outlived   ended, but its fiber goes on; `whenOutlived` has     its slot is freed, when the fiber has ended
 *              recorded its end without it (worker/Ending)
 */
import type { Effect, Fiber } from "effect"
import { Schema } from "effect"
import type { Partition } from "../redis/Keys.ts"

/** What an interrupted delivery does: nothing (others have it), return its work at once (A5), or fail its attempt (A3). */
export type EndReason = "lost" | "release" | "timeout"

/** The entry as it was read; it never changes. */
interface Read {
  readonly partition: Partition
  /** The mailbox the entry is in. */
  readonly mailbox: string
  readonly entry: string
  readonly fields: ReadonlyMap<string, string>
  /** The consumer (process token) it was delivered to. */
  readonly consumer: string
  /** The number of the reconciliation it was born in; a delivery younger than the pending list is not compared with it. */
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
  #fiber: Fiber.Fiber<unknown, unknown> | null = null
  #settling = false
  #endReason: EndReason | null = null
  #timeoutAt: number | null = null
  #outlived = false
  #isBegun = false
  #whenOutlived: (() => Effect.Effect<unknown>) | null = null

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

  /** The mailbox whose slot it takes: a later stage's while the job is kept for that stage. */
  get slot(): string {
    return this.#slot
  }
  /** Whether its work has begun. */
  get isBegun(): boolean {
    return this.#isBegun
  }
  get isSettling(): boolean {
    return this.#settling
  }
  get endReason(): EndReason | null {
    return this.#endReason
  }
  /** When the current attempt times out, by performance.now(); null: no time-out, or its result is being recorded. */
  get timeoutAt(): number | null {
    return this.#settling ? null : this.#timeoutAt
  }

  /** Whether it was ended, and its fiber went on. */
  get isOutlived(): boolean {
    return this.#outlived
  }

  /** `record` records its end, by `endReason`, if its fiber does not end when it is interrupted. */
  whenOutlived(record: () => Effect.Effect<unknown>): void {
    this.#whenOutlived = record
  }
  /** Its fiber goes on after its end; returns what records the end. */
  outlive(): Effect.Effect<unknown> | null {
    this.#outlived = true
    return this.#whenOutlived?.() ?? null
  }

  /** A fiber works on it now; null: it needs none. Returns whether it was ended before; the fiber must then be interrupted. */
  begun(fiber: Fiber.Fiber<unknown, unknown> | null): boolean {
    this.#isBegun = true
    this.#fiber = fiber
    return this.#endReason !== null && !this.#settling
  }

  /** Sets when the current attempt times out. */
  timesOutAt(at: number): void {
    this.#timeoutAt = at
  }

  /** Stops the attempt's clock; returns the milliseconds left. */
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
   * Ends it from outside its fiber; the first reason stays. Returns the fiber to interrupt: none when none has begun or is needed,
   * or while a result is being recorded; the recording completes, but no further stage follows. A time-out during recording is
   * ignored: it belongs to the attempt that has ended, not to the stage the job may be kept for.
   */
  end(reason: EndReason): Fiber.Fiber<unknown, unknown> | null {
    if (this.#endReason !== null || (reason === "timeout" && this.#settling)) return null
    this.#endReason = reason
    return this.#settling ? null : this.#fiber
  }
}

export const keyOf = (partition: Partition, mailbox: string, entry: string): string =>
  `${partition.index}/${mailbox}/${entry}`

export const Entry = Schema.Tuple([Schema.String, Schema.NullOr(Schema.Array(Schema.String))])
/** `[id, [field, value, …]]`, as XREADGROUP, XCLAIM and XRANGE return it. */
export type Entry = typeof Entry.Type
export const Entries = Schema.Array(Entry)
/** `[[key, entries], …]` or null when the read timed out. */
export const ReadReply = Schema.NullOr(Schema.Array(Schema.Tuple([Schema.String, Entries])))
