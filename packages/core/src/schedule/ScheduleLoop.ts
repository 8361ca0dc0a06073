/**
 * ScheduleLoop: checks the schedules that this process declares, as a task of the worker's TimerLoop, which has the only timer.
 * A schedule is checked when its next slot comes, and once a minute to show that a process still declares it; schedules of one
 * partition share a call. The check (fire.lua) decides whether this process fires the slot (T1).
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
      const loop = yield* make
      const wake = yield* ActorSystem.use((system) => system.addTask(loop))
      return ScheduleLoop.of({ declare: (schedule) => Effect.tap(loop.declare(schedule), () => Effect.sync(wake)) })
    })
  )
}

interface Entry {
  readonly declared: Declared
  readonly partition: Partition
  lookAt: number
  declaredAt: number | null
  /** The last slot whose outcome was logged and counted. */
  told: number
  prepared: { readonly slot: number; readonly work: Work } | null
}

const lookMillis = 60_000
const troubleMillis = 1_000
/** Pause after a full mailbox, or after work that could not be computed. */
const laterMillis = 5_000

export const make: Effect.Effect<Loop, never, Schedules | Keyspace> = Effect.gen(function* () {
  const schedules = yield* Schedules
  const keyspace = yield* Keyspace
  const millis = yield* Elapsed.clock
  /** This process's id: a repeated check, after a lost answer, gets the same outcome. */
  const process = randomUUID()
  const entries = new Map<string, Entry>()
  const ownAhead = (yield* Clock.currentTimeMillis) - millis()
  /** Redis's clock minus Elapsed, by partition; before the first answer this process's wall clock is used. */
  const ahead = new Map<Partition, number>()
  const at = (partition: Partition) => [...entries.values()].filter((entry) => entry.partition === partition)

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
    function* (entry: Entry) {
      const { name, overlap, timing, work } = entry.declared
      const now = Math.floor(millis() + (ahead.get(entry.partition) ?? ownAhead))
      const slot = timing.latest(now)
      if (entry.prepared?.slot !== slot) entry.prepared = { slot, work: yield* work(new Date(slot)) }
      const look: Look = {
        name,
        timing: timing.text,
        overlap,
        declaredAt: entry.declaredAt,
        slot,
        nextSlot: timing.next(now),
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

  const lookAt = Effect.fnUntraced(
    function* (partition: Partition, due: ReadonlyArray<Entry>) {
      const asked = (yield* Effect.forEach(due, prepare)).filter((one) => one !== null)
      if (asked.length === 0) return
      const looks = asked.map(({ look }) => look)
      const { now, outcomes } = yield* schedules.look(partition, process, looks)
      const answeredAt = millis()
      ahead.set(partition, now - answeredAt)
      for (const [i, { entry, look }] of asked.entries()) {
        const { outcome, jobId } = outcomes[i]!
        const { timing } = entry.declared
        entry.declaredAt ??= now
        const toNext = Math.min(lookMillis, timing.next(now) - now)
        // our clock was off by more than a slot: check again at once, with the right slot
        const right = timing.latest(now) === look.slot || timing.next(now) === look.slot
        entry.lookAt = answeredAt + (outcome === "full" ? laterMillis : right ? toNext : 0)
        yield* tell(entry, look.slot, outcome, jobId)
      }
    },
    (effect, _, due) =>
      Effect.catch(effect, (error: RedisError) => {
        for (const entry of due) entry.lookAt = millis() + troubleMillis
        return Effect.logDebug("schedules could not be checked").pipe(Effect.annotateLogs({ error: error.message }))
      })
  )

  return {
    declare: (declared) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          if (entries.has(declared.name)) {
            Definition.refuse(
              `schedule ${JSON.stringify(declared.name)}`,
              "its name",
              declared.name,
              "declared once in a process"
            )
          }
          entries.set(declared.name, {
            declared,
            partition: keyspace.of(declared.name),
            lookAt: millis(),
            declaredAt: null,
            told: 0,
            prepared: null
          })
        }),
        () => Effect.sync(() => void entries.delete(declared.name))
      ),
    dueAt: (partition) => Math.min(Infinity, ...at(partition).map((entry) => entry.lookAt)),
    run: (partition) =>
      Effect.suspend(() => {
        const all = at(partition)
        // set before the call, so that a schedule whose work cannot be computed also waits
        for (const entry of all) entry.lookAt = millis() + laterMillis
        return lookAt(partition, all)
      })
  }
})
