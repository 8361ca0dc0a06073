/**
 * Workload: what this process serves and what it holds, in memory. Slots are counted here, so that the reader never asks
 * for more than there are (back-pressure), and every delivery is known by its entry, so that the process can be made
 * equal to its pending list (A4). Shared by Reader, Heartbeat, Shutdown; plain data, changed between awaits only.
 */
import { Effect, Fiber, Option } from "effect"
import { Delivery, keyOf } from "../mailbox/Delivery.ts"
import type { EndReason, Entry } from "../mailbox/Delivery.ts"
import type { Partition } from "../redis/Keys.ts"
import * as Pairs from "../redis/Pairs.ts"

/** A mailbox this process serves. */
export interface Server {
  readonly mailbox: string
  /** Deliveries worked on at once. */
  readonly concurrency: number
  /** Takes up deliveries of one partition that came together; each ends by `Workload.finish`. */
  readonly take: (deliveries: ReadonlyArray<Delivery>) => Effect.Effect<void>
}

/** How long a delivery that is to be alone waits for the others to end: beyond any stage's timeout. */
const longestStay = "10 minutes"
/** A stage nobody was kept for this long has all its slots for reads. */
const keepMemoryMillis = 1_000

export class Workload {
  readonly servers = new Map<string, Server>()
  readonly deliveries = new Map<string, Delivery>()
  stopping = false
  /** Entries may be ours in Redis that nothing here works on: the next beat is to look (A4). */
  overlooked = false
  /** The process has done what it could to stop: results that still have not reached Redis are let go. */
  abandoned = false
  /** Mailboxes whose last read brought all it asked for: others wait there. */
  readonly crowded = new Set<string>()
  /** Slots taken by, or promised to, jobs kept for a mailbox's stage, and when one was last wanted. */
  readonly #kept = new Map<string, number>()
  readonly #keepWanted = new Map<string, number>()
  readonly #busy = new Map<string, number>()
  readonly #asked = new Map<string, number>()
  readonly #promised = new Map<string, number>()
  readonly #listeners = new Set<() => void>()
  /** Deliveries that are to be, or are, in work here with nothing beside them, in order. */
  readonly #alone = new Set<Delivery>()
  #pauses = 0
  #clock = 0

  /** A moment in the order of deliveries and lists. */
  tick(): number {
    return this.#clock++
  }

  free(mailbox: string): number {
    const server = this.servers.get(mailbox)
    if (server === undefined || this.stopping || this.#alone.size > 0) return 0
    return (
      server.concurrency - this.busy(mailbox) - (this.#asked.get(mailbox) ?? 0) - (this.#promised.get(mailbox) ?? 0)
    )
  }

  /**
   * Slots a read may ask for. Of a stage that jobs are being kept for here, half of all are theirs as far as they use them;
   * so neither those who wait in the mailbox nor those kept from the stage before can starve the other.
   */
  readable(mailbox: string): number {
    return Math.max(0, this.free(mailbox) - this.#heldBack(mailbox))
  }

  /** Slots that reads may have at most, were none of them busy: what readers share out among themselves. */
  readCapacity(mailbox: string): number {
    return (this.servers.get(mailbox)?.concurrency ?? 0) - this.#heldBack(mailbox)
  }

  #heldBack(mailbox: string): number {
    const wanted = this.#keepWanted.get(mailbox)
    if (wanted === undefined || performance.now() - wanted > keepMemoryMillis) return 0
    return Math.max(0, this.#keepShare(mailbox) - (this.#kept.get(mailbox) ?? 0))
  }

  #keepShare(mailbox: string): number {
    return Math.floor((this.servers.get(mailbox)?.concurrency ?? 0) / 2)
  }

  busy(mailbox: string): number {
    return this.#busy.get(mailbox) ?? 0
  }

  /** Slots promised to a read or a reap under way; undone by the same negative number. */
  ask(mailbox: string, slots: number): void {
    this.#asked.set(mailbox, (this.#asked.get(mailbox) ?? 0) + slots)
    if (slots < 0) this.changed()
  }

  /** Readers are to end their reads and begin none. */
  get paused(): boolean {
    return this.#pauses > 0 || this.#alone.size > 0
  }

  /**
   * Runs `take` while no read is under way. An idle reader has every free slot promised to its blocking read: without
   * this an idle process could never take over anything. Answers null when a read does not end in time.
   */
  exclusively<A, E, R>(take: Effect.Effect<A, E, R>): Effect.Effect<A | null, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        this.#pauses++
        this.changed()
      }),
      () =>
        this.until(() => [...this.#asked.values()].every((slots) => slots === 0)).pipe(
          Effect.timeoutOption("2 seconds"),
          Effect.flatMap((ended) => (Option.isNone(ended) ? Effect.succeed(null) : take))
        ),
      () =>
        Effect.sync(() => {
          this.#pauses--
          this.changed()
        })
    )
  }

  /**
   * Resumes when nothing but this delivery is in work here, and takes nothing up beside it until it is finished: if it kills
   * its process once more, it was not a neighbour that did (A2). What does not end in time is no longer waited for.
   */
  alone(delivery: Delivery): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#alone.add(delivery)
      this.changed()
      const hasItsTurn = () => {
        const [first] = this.#alone
        return first === delivery && [...this.deliveries.values()].every((other) => this.#alone.has(other))
      }
      return Effect.asVoid(Effect.timeoutOption(this.until(hasItsTurn), longestStay))
    })
  }

  add(partition: Partition, mailbox: string, consumer: string, entry: Entry): Delivery | null {
    const key = keyOf(partition, mailbox, entry[0])
    if (this.deliveries.has(key)) return null
    const [id, flat] = entry
    const delivery = new Delivery({
      partition,
      mailbox,
      entry: id,
      fields: Pairs.toMap(flat ?? []),
      consumer,
      bornAt: this.tick()
    })
    this.deliveries.set(key, delivery)
    this.#busy.set(mailbox, this.busy(mailbox) + 1)
    return delivery
  }

  /** The delivery is over for this process, whatever became of it; its slot is free. */
  finish(delivery: Delivery): void {
    if (this.deliveries.get(delivery.key) !== delivery) return
    this.deliveries.delete(delivery.key)
    this.#alone.delete(delivery)
    this.#leave(delivery)
    this.changed()
  }

  /**
   * Promises a slot for keeping a job for its next stage: any free one but the last while nobody is known to wait there
   * (the last is the reader's, who finds out), else one of the half that is for kept jobs. Undone by `release(mailbox)`, or
   * made good by `move`.
   */
  reserve(mailbox: string): boolean {
    this.#keepWanted.set(mailbox, performance.now())
    const kept = this.#kept.get(mailbox) ?? 0
    const most = this.crowded.has(mailbox)
      ? this.#keepShare(mailbox)
      : (this.servers.get(mailbox)?.concurrency ?? 0) - 1
    if (this.free(mailbox) <= 0 || kept >= most) return false
    this.#kept.set(mailbox, kept + 1)
    this.#promise(mailbox, 1)
    return true
  }

  release(mailbox: string): void {
    this.#kept.set(mailbox, (this.#kept.get(mailbox) ?? 1) - 1)
    this.#promise(mailbox, -1)
  }

  /** The delivery goes on with a promised slot of another mailbox; its old slot is free. */
  move(delivery: Delivery, mailbox: string): void {
    this.#leave(delivery)
    delivery.keptFor(mailbox)
    this.#busy.set(mailbox, this.busy(mailbox) + 1)
    this.#promise(mailbox, -1)
  }

  // apart from what reads ask for: taking over the dead's work waits for reads to end, not for commits
  #promise(mailbox: string, slots: number): void {
    this.#promised.set(mailbox, (this.#promised.get(mailbox) ?? 0) + slots)
    if (slots < 0) this.changed()
  }

  #leave(delivery: Delivery): void {
    this.#busy.set(delivery.slot, this.busy(delivery.slot) - 1)
    if (delivery.slot !== delivery.mailbox) this.#kept.set(delivery.slot, (this.#kept.get(delivery.slot) ?? 1) - 1)
  }

  /** Ends a delivery from outside its fiber (Delivery.end); resumes when its fiber has ended. */
  end(delivery: Delivery, reason: EndReason): Effect.Effect<void> {
    return Effect.suspend(() => {
      const fiber = delivery.end(reason)
      return fiber === null ? Effect.void : Effect.asVoid(Fiber.interrupt(fiber))
    })
  }

  /** Called when a slot becomes free, a mailbox is served, reading is paused or resumed, or work stops. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  /** Resumes at the next change, or when `ready` holds already. */
  until(ready: () => boolean): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (ready()) return resume(Effect.void)
      const stop = this.onChange(() => {
        if (!ready()) return
        stop()
        resume(Effect.void)
      })
      return Effect.sync(stop)
    })
  }
}
