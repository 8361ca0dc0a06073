/**
 * ScheduleLoop: checks the schedules that this process declares, as a task of the worker's TimerLoop, which has the only timer.
 * A schedule is checked when its next slot comes, and no other is touched then (DueHeap): the cost grows with what fires, not
 * with what is declared. Schedules of one partition that are due together share a call. The check (fire.lua) decides whether
 * this process fires the slot (T1). Once a minute a partition's schedules are kept, many in a call (keep.lua), which shows that
 * a process still declares them; one that Redis does not know so is checked then.
 * Redis's clock decides when a slot is due: each answer contains it, and so this process's offset. The offset is kept for each
 * partition, so that a slow answer delays only that partition. Waits use the monotonic clock (Elapsed), and a partition whose
 * server is down delays no other.
 */
import { Clock, Context, Effect, Layer, Metric } from "effect"
import type { Scope } from "effect"
import { randomUUID } from "node:crypto"
import * as Definition from "../config/Definition.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { scheduleFires } from "../telemetry/Metrics.ts"
import * as DueHeap from "../clock/DueHeap.ts"
import * as Elapsed from "../clock/Elapsed.ts"
import { ActorSystem } from "../worker/ActorSystem.ts"
import type { PartitionTask } from "../worker/TimerLoop.ts"
import { Schedules } from "./Schedules.ts"
import type { Look, Outcome, Work } from "./Schedules.ts"
import type { Timing } from "./Timing.ts"

/** A schedule as a process declares it. */
export interface Declared {
  readonly name: string
  readonly timing: Timing
  readonly overlap: "skip" | "allow"
  /** The work of a slot; every process computes it once for each slot, so it must depend on the slot only. */
  readonly work: (slot: Date) => Effect.Effect<Work, { readonly message: string }>
}

interface Loop extends PartitionTask {
  /** Checks a schedule until the scope closes. A name declared twice in a process is a defect. */
  readonly declare: (schedule: Declared) => Effect.Effect<void, never, Scope.Scope>
}

/** The schedules of a worker: fires their slots that no other process has claimed (T1), until the scope closes. */
export class ScheduleLoop extends Context.Service<ScheduleLoop, Pick<Loop, "declare">>()(
  "@eco2/core/schedule/ScheduleLoop"
) {
  static readonly layer: Layer.Layer<ScheduleLoop, never, ActorSystem | Schedules | Keyspace> = Layer.effect(
    ScheduleLoop,
    Effect.gen(function* () {
      const system = yield* ActorSystem
      const loop = yield* make(system.wakeIn)
      const wake = yield* system.addTask(loop)
      return ScheduleLoop.of({ declare: (schedule) => Effect.tap(loop.declare(schedule), () => Effect.sync(wake)) })
    })
  )
}

interface Entry {
  readonly declared: Declared
  /** When it was last looked at or kept, by Elapsed. */
  seenAt: number
  declaredAt: number | null
  /** The slot it waits for; null before the first answer. */
  nextSlot: number | null
  /** The last slot whose outcome was logged and counted. */
  told: number
  prepared: { readonly slot: number; readonly work: Work } | null
}

/** The schedules of a partition. Each is in one of the heaps. */
interface Share {
  readonly partition: Partition
  readonly entries: Set<Entry>
  /** Those that wait for a slot, by Redis's clock: a step of that clock moves them all. */
  readonly slots: DueHeap.DueHeap<Entry>
  /** Those to be looked at after a pause, by Elapsed. */
  readonly later: DueHeap.DueHeap<Entry>
  /** Redis's clock minus Elapsed; null before the first answer. */
  ahead: number | null
  /** When the schedules are kept next, by Elapsed. */
  keepAt: number
}

const keepMillis = 60_000
/** A schedule looked at this lately is not kept. */
const freshMillis = 30_000
const troubleMillis = 1_000
/** Pause after a full mailbox, or after work that could not be computed. */
const laterMillis = 5_000
/** How long the work of a slot may take to compute; the others that are due wait for it. */
const workMillis = 2_000
/** Schedules in one call of a script: a long script delays every client of Redis. */
const mostLooks = 100
const mostKept = 500

const chunks = <A>(all: ReadonlyArray<A>, most: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / most) }, (_, i) => all.slice(i * most, (i + 1) * most))

/** `wakeIn`: a timer of this partition is due in so many milliseconds. */
export const make = Effect.fnUntraced(function* (
  wakeIn: (partition: Partition, millis: number) => void
): Effect.fn.Return<Loop, never, Schedules | Keyspace> {
  const schedules = yield* Schedules
  const keyspace = yield* Keyspace
  const millis = yield* Elapsed.clock
  /** This process's id: a repeated check, after a lost answer, gets the same outcome. */
  const process = randomUUID()
  const names = new Set<string>()
  const shares = new Map<Partition, Share>(
    keyspace.partitions.map((partition) => [
      partition,
      {
        partition,
        entries: new Set(),
        slots: DueHeap.make(),
        later: DueHeap.make(),
        ahead: null,
        keepAt: millis() + keepMillis
      }
    ])
  )
  const ownAhead = (yield* Clock.currentTimeMillis) - millis()
  /** Redis's clock, as this process knows it; before the first answer its own wall clock. */
  const timeOf = (share: Share) => Math.floor(millis() + (share.ahead ?? ownAhead))
  const pause = (share: Share, entries: ReadonlyArray<Entry>, forMillis: number) => {
    for (const entry of entries) if (share.entries.has(entry)) share.later.set(entry, millis() + forMillis)
  }

  const tell = Effect.fnUntraced(function* (entry: Entry, slot: number, outcome: Outcome, jobId: string) {
    const schedule = entry.declared.name
    const counted = Metric.withAttributes(scheduleFires, { schedule, outcome })
    if (outcome === "full") {
      yield* Metric.update(counted, 1)
      return yield* Effect.logWarning("schedule could not fire: its mailbox is full").pipe(
        Effect.annotateLogs({ schedule })
      )
    }
    if ((outcome !== "fired" && outcome !== "skipped") || slot <= entry.told) return
    entry.told = slot
    yield* Metric.update(counted, 1)
    const facts = { schedule, slot: new Date(slot).toISOString(), ...(jobId === "" ? {} : { job_id: jobId }) }
    yield* outcome === "fired"
      ? Effect.logInfo("schedule fired").pipe(Effect.annotateLogs(facts))
      : Effect.logWarning("schedule skipped a slot: its last run is open").pipe(Effect.annotateLogs(facts))
  })

  /** The check of a schedule to send now; null, after logging, when its work cannot be computed. */
  const prepare = Effect.fnUntraced(
    function* (entry: Entry, share: Share) {
      const { name, overlap, timing, work } = entry.declared
      const now = timeOf(share)
      const due = entry.nextSlot !== null && entry.nextSlot <= now ? entry.nextSlot : null
      const after = due === null ? -Infinity : timing.next(due)
      const slot = due !== null && after > now ? due : timing.latest(now)
      const nextSlot = slot === due ? after : timing.next(now)
      if (entry.prepared?.slot !== slot) {
        entry.prepared = { slot, work: yield* Effect.timeout(work(new Date(slot)), workMillis) }
      }
      const look: Look = {
        name,
        timing: timing.text,
        overlap,
        declaredAt: entry.declaredAt,
        slot,
        nextSlot,
        work: entry.prepared.work
      }
      return { entry, look }
    },
    (effect, entry) =>
      Effect.catchCause(effect, (cause) => {
        const schedule = entry.declared.name
        return Effect.andThen(
          Metric.update(Metric.withAttributes(scheduleFires, { schedule, outcome: "failed" }), 1),
          Effect.as(
            Effect.logError("schedule could not fire: its input cannot be made", cause).pipe(
              Effect.annotateLogs({ schedule })
            ),
            null
          )
        )
      })
  )

  /** When a schedule is looked at next, after Redis's answer at `now`. */
  const waitForNext = (share: Share, entry: Entry, { nextSlot, slot }: Look, outcome: Outcome, now: number) => {
    if (!share.entries.has(entry)) return
    const { timing } = entry.declared
    if (outcome === "full") return pause(share, [entry], laterMillis)
    // our clock was ahead, and this slot has not come
    const next = slot <= now ? nextSlot : timing.next(now) === slot ? slot : now
    // our clock was off by more than a slot: check again at once, with the right one
    if (next <= now) return pause(share, [entry], 0)
    entry.nextSlot = next
    share.later.delete(entry)
    share.slots.set(entry, next)
  }

  const look = Effect.fnUntraced(
    function* (share: Share, due: ReadonlyArray<Entry>) {
      const prepared = yield* Effect.forEach(due, (entry) => prepare(entry, share), { concurrency: "unbounded" })
      const asked = prepared.filter((one) => one !== null)
      if (asked.length === 0) return
      const looks = asked.map(({ look }) => look)
      const { now, outcomes } = yield* schedules.look(share.partition, process, looks)
      const answeredAt = millis()
      share.ahead = now - answeredAt
      for (const [i, { entry, look }] of asked.entries()) {
        const { outcome, jobId } = outcomes[i]!
        entry.declaredAt ??= now
        entry.seenAt = answeredAt
        waitForNext(share, entry, look, outcome, now)
        if (outcome === "fired" && look.work.deadlineMillis !== null) wakeIn(share.partition, look.work.deadlineMillis)
        yield* tell(entry, look.slot, outcome, jobId)
      }
    },
    (effect, share, due) =>
      Effect.catch(effect, (error: RedisError) => {
        pause(share, due, troubleMillis)
        return Effect.logDebug("schedules could not be checked").pipe(Effect.annotateLogs({ error: error.message }))
      })
  )

  const keep = Effect.fnUntraced(
    function* (share: Share) {
      share.keepAt = millis() + keepMillis
      const old = [...share.entries].filter(({ seenAt }) => seenAt <= millis() - freshMillis)
      for (const entries of chunks(old, mostKept)) {
        const { now, unknown } = yield* schedules.keep(
          share.partition,
          entries.map(({ declared: { name, timing } }) => ({ name, timing: timing.text }))
        )
        const answeredAt = millis()
        share.ahead = now - answeredAt
        for (const entry of entries) entry.seenAt = answeredAt
        pause(
          share,
          unknown.flatMap((place) => entries[place] ?? []),
          0
        )
      }
    },
    (effect, share) =>
      Effect.catch(effect, (error: RedisError) => {
        share.keepAt = millis() + troubleMillis
        return Effect.logDebug("schedules could not be kept").pipe(Effect.annotateLogs({ error: error.message }))
      })
  )

  return {
    declare: (declared) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          if (names.has(declared.name)) {
            Definition.refuse(
              `schedule ${JSON.stringify(declared.name)}`,
              "its name",
              declared.name,
              "declared once in a process"
            )
          }
          const share = shares.get(keyspace.of(declared.name))!
          const entry: Entry = {
            declared,
            seenAt: -Infinity,
            declaredAt: null,
            nextSlot: null,
            told: 0,
            prepared: null
          }
          names.add(declared.name)
          share.entries.add(entry)
          pause(share, [entry], 0)
          return { entry, share }
        }),
        ({ entry, share }) =>
          Effect.sync(() => {
            names.delete(declared.name)
            share.entries.delete(entry)
            share.slots.delete(entry)
            share.later.delete(entry)
          })
      ).pipe(Effect.asVoid),
    dueAt: (partition) => {
      const share = shares.get(partition)
      if (share === undefined || share.entries.size === 0) return Infinity
      return Math.min(share.keepAt, share.later.first(), share.slots.first() - (share.ahead ?? ownAhead))
    },
    run: Effect.fnUntraced(function* (partition) {
      const share = shares.get(partition)
      if (share === undefined) return
      const due = [...share.slots.take(timeOf(share)), ...share.later.take(millis())]
      // before the calls: after a defect, or when its work cannot be computed, a schedule waits too
      pause(share, due, laterMillis)
      for (const entries of chunks(due, mostLooks)) yield* look(share, entries)
      // all were just looked at: none needs to be kept
      if (due.length > 0 && due.length === share.entries.size) share.keepAt = millis() + keepMillis
      if (share.keepAt <= millis()) yield* keep(share)
    })
  }
})
