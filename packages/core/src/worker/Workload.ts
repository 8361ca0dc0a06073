/**
 * Workload: the mailboxes this process serves and the deliveries it holds, in memory. It counts slots, so that the reader never
 * asks for more than are free (back-pressure), and keeps deliveries by entry, so that they can be reconciled with the pending
 * list (A4). Shared by Reader, Heartbeat and Shutdown; plain data, changed synchronously only.
 */
import { Effect, Option } from "effect"
import { Delivery, keyOf } from "../mailbox/Delivery.ts"
import type { Entry } from "../mailbox/Delivery.ts"
import type { Partition } from "../redis/Keys.ts"
import * as Pairs from "../redis/Pairs.ts"

/** A mailbox this process serves. */
export interface Server {
  readonly mailbox: string
  /** Deliveries handled at once. */
  readonly concurrency: number
  /** The time-out of an attempt as it is now, milliseconds; null: it has none (a message's handler). */
  readonly timeoutMillis: () => number | null
  /** Begins deliveries of one partition that were read together; each ends with `Workload.finish`. */
  readonly take: (deliveries: ReadonlyArray<Delivery>) => Effect.Effect<void>
}

/** How long a delivery that must run alone waits at least for the others to end: handlers of messages have no time-out. */
const leastStayMillis = 600_000
/** How long the end of an attempt may take beyond its time-out: its result is recorded. */
const recordMillis = 60_000
/** A stage for which no job was kept for this long gives all its slots to reads. */
const keepMemoryMillis = 1_000

export class Workload {
  readonly servers = new Map<string, Server>()
  readonly deliveries = new Map<string, Delivery>()
  /** Deliveries that were ended and whose fibers go on: they hold their slots, and others may hold their entries (Ending). */
  readonly outlived = new Set<Delivery>()
  stopping = false
  /** What operators have paused: nothing is taken from this mailbox. */
  isHeld: (mailbox: string) => boolean = () => false
  /** Redis may list entries as ours that no fiber works on: the next beat must reconcile (A4). */
  overlooked = false
  /** The stop is past its last wait: results that Redis did not accept are dropped. */
  abandoned = false
  /** Mailboxes whose last read returned as many entries as requested, so more may wait there. */
  readonly crowded = new Set<string>()
  /** Slots taken by, or reserved for, jobs kept for a mailbox's stage, and when one was last requested. */
  readonly #kept = new Map<string, number>()
  readonly #keepWanted = new Map<string, number>()
  readonly #busy = new Map<string, number>()
  readonly #asked = new Map<string, number>()
  readonly #promised = new Map<string, number>()
  readonly #listeners = new Set<() => void>()
  /** Deliveries that run alone here, or wait to, in order. */
  readonly #alone = new Set<Delivery>()
  /** Suspects that run here (A2), each with the number of suspects that may run together with it. */
  readonly #suspects = new Map<Delivery, number>()
  #pauses = 0
  #clock = 0

  /** A sequence number that orders deliveries and pending lists. */
  tick(): number {
    return this.#clock++
  }

  free(mailbox: string): number {
    const server = this.servers.get(mailbox)
    if (server === undefined || this.stopping || this.#alone.size > 0 || this.isHeld(mailbox)) return 0
    return (
      server.concurrency - this.busy(mailbox) - (this.#asked.get(mailbox) ?? 0) - (this.#promised.get(mailbox) ?? 0)
    )
  }

  /**
   * Slots a read may ask for. While jobs are kept here for a stage, they may use up to half of its slots, so that neither the
   * jobs in the mailbox nor the kept jobs starve the others.
   */
  readable(mailbox: string): number {
    return Math.max(0, this.free(mailbox) - this.#heldBack(mailbox))
  }

  /** Slots that reads may use at most, if none is busy; readers share them. */
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

  /** Reserves slots for a running read or takeover; undone by the same negative number. */
  ask(mailbox: string, slots: number): void {
    this.#asked.set(mailbox, (this.#asked.get(mailbox) ?? 0) + slots)
    if (slots < 0) this.changed()
  }

  /** Whether readers must end their reads and begin none. */
  get paused(): boolean {
    return this.#pauses > 0 || this.#alone.size > 0
  }

  /**
   * Runs `take` while no read is running. An idle reader reserves every free slot for its blocking read, so without this an idle
   * process could never take over entries. Returns null when a read does not end in time.
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

  /** Slots of all mailboxes served here. */
  get slots(): number {
    return [...this.servers.values()].reduce((sum, { concurrency }) => sum + concurrency, 0)
  }

  /** Whether a delivery runs alone here, or waits to. */
  get isReserved(): boolean {
    return this.#alone.size > 0
  }

  /**
   * Lets a suspect run beside at most `group - 1` others, if all of them may run beside so many; else returns false (A2).
   * Infinity: it belongs to no group.
   */
  joinGroup(delivery: Delivery, group: number): boolean {
    if (group === Infinity) return true
    const others = this.#suspects.size
    if (this.isReserved || others >= Math.min(group, ...this.#suspects.values())) return false
    this.#suspects.set(delivery, group)
    return true
  }

  /** The suspect's attempt is over: it neither runs alone nor in a group any more. */
  clear(delivery: Delivery): void {
    const alone = this.#alone.delete(delivery)
    const grouped = this.#suspects.delete(delivery)
    if (alone || grouped) this.changed()
  }

  /**
   * Returns true when this delivery is the only one in work here; no other begins until it is cleared, so that a crash is its
   * own doing (A2). Returns false when the others have not ended within `longestStay`; then it may not begin.
   * Work that began before it is waited for as long as it may take: after a shorter wait other work would begin, and a suspect
   * would never find a process that serves long stages empty.
   */
  alone(delivery: Delivery): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      this.#alone.add(delivery)
      this.changed()
      const hasItsTurn = () => {
        const [first] = this.#alone
        return first === delivery && [...this.deliveries.values()].every((other) => this.#alone.has(other))
      }
      return Effect.timeoutOption(this.until(hasItsTurn), this.#longestStay()).pipe(
        Effect.map((turn) => {
          if (Option.isNone(turn)) this.clear(delivery)
          return Option.isSome(turn)
        })
      )
    })
  }

  /** How long attempts that run now may go on, milliseconds. */
  #longestStay(): number {
    const timeouts = [...this.servers.values()].map(({ timeoutMillis }) => timeoutMillis() ?? 0)
    return Math.max(leastStayMillis, Math.max(0, ...timeouts) + recordMillis)
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

  /** The delivery has ended for this process, whatever its result; frees its slot. */
  finish(delivery: Delivery): void {
    if (this.deliveries.get(delivery.key) === delivery) this.deliveries.delete(delivery.key)
    else if (!this.outlived.delete(delivery)) return
    this.#alone.delete(delivery)
    this.#suspects.delete(delivery)
    this.#leave(delivery)
    this.changed()
  }

  /** Its fiber goes on although it was ended; only its slot is still taken. False: it has ended meanwhile. */
  outlive(delivery: Delivery): boolean {
    if (this.deliveries.get(delivery.key) !== delivery) return false
    this.deliveries.delete(delivery.key)
    this.outlived.add(delivery)
    this.changed()
    return true
  }

  /** A mailbox all of whose slots are held by outlived deliveries; null: there is none. */
  get deafMailbox(): string | null {
    const held = new Map<string, number>()
    for (const { slot } of this.outlived) held.set(slot, (held.get(slot) ?? 0) + 1)
    for (const [mailbox, { concurrency }] of this.servers) if ((held.get(mailbox) ?? 0) >= concurrency) return mailbox
    return null
  }

  /**
   * Reserves a slot to keep a job for its next stage. While no entry is known to wait there: any free slot except the last,
   * which the reader needs to find out. Otherwise: one of the half for kept jobs. `release(mailbox)` undoes it, `move` uses it.
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

  /** Moves the delivery to a reserved slot of another mailbox; frees its old slot. */
  move(delivery: Delivery, mailbox: string): void {
    this.#leave(delivery)
    delivery.keptFor(mailbox)
    this.#busy.set(mailbox, this.busy(mailbox) + 1)
    this.#promise(mailbox, -1)
  }

  // separate from the slots of reads, because a takeover waits for reads to end, not for commits
  #promise(mailbox: string, slots: number): void {
    this.#promised.set(mailbox, (this.#promised.get(mailbox) ?? 0) + slots)
    if (slots < 0) this.changed()
  }

  #leave(delivery: Delivery): void {
    this.#busy.set(delivery.slot, this.busy(delivery.slot) - 1)
    if (delivery.slot !== delivery.mailbox) this.#kept.set(delivery.slot, (this.#kept.get(delivery.slot) ?? 1) - 1)
  }

  /** Calls `listener` when a slot is freed, a mailbox is served, reading is paused or resumed, or work stops. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  /** Returns when `ready` is true, checked now and at each change. */
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
