/** When timers and schedules are looked at: each partition separately, and also after the machine's clock was set back. */
import { describe, expect, it } from "@effect/vitest"
import { Keyspace, RedisError } from "@eco2/core/redis"
import type { Keys } from "@eco2/core/redis"
import { Supervisor } from "@eco2/core/telemetry"
import * as Timers from "../../../packages/core/src/worker/Timers.ts"
import { Effect, Exit, Scope } from "effect"
import * as TimerHandover from "../../../packages/core/src/worker/TimerHandover.ts"
import * as TimerLoop from "../../../packages/core/src/worker/TimerLoop.ts"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"
import * as SteppedClock from "../SteppedClock.ts"

const redis = Fleet.privateRedis()
const hour = 3_600_000

/**
 * The loop on real timers, as if a timer of each partition were always due soon. `answer`: what a look gets instead, if anything.
 * Looks, by partition.
 */
const looking = Effect.fnUntraced(function* (
  answer: (partition: Keys.Partition, looks: number) => ReturnType<Timers.Timers["Service"]["promote"]> | null = () =>
    null
) {
  const process = yield* Fleet.joined(redis.url)
  const { partitions } = yield* process.run(Keyspace)
  const looks = new Map(partitions.map((partition) => [partition, 0]))
  const scope = yield* Effect.scope
  const loop = yield* process.run(
    Effect.gen(function* () {
      const service = yield* Timers.Timers
      const watched = Timers.Timers.of({
        promote: (partition, mailboxes) =>
          Effect.suspend(() => {
            const count = looks.get(partition)! + 1
            looks.set(partition, count)
            return (
              answer(partition, count) ??
              Effect.map(service.promote(partition, mailboxes), (seen) => ({ ...seen, nextMillis: 20 }))
            )
          })
      })
      return yield* TimerLoop.make({
        mailboxes: () => [],
        stopping: () => false,
        supervisor: Supervisor.make()
      }).pipe(Effect.provideService(Timers.Timers, watched), Effect.provideService(Scope.Scope, scope))
    })
  )
  return { process, loop, looks, partitions }
})

describe("TimerLoop", () => {
  it.live("a partition's timers are served while the servers of all others do not answer", () =>
    Effect.gen(function* () {
      const dead = new Set<Keys.Partition>()
      const { loop, looks, partitions } = yield* looking((partition) => (dead.has(partition) ? Effect.never : null))
      for (const partition of partitions.slice(0, -1)) dead.add(partition)
      for (const partition of partitions) loop.wakeIn(partition, 0)
      const well = partitions.at(-1)!
      yield* Fleet.until(
        Effect.sync(() => looks.get(well)!),
        (count) => count >= 5
      )
      for (const partition of dead) expect(looks.get(partition)).toBeLessThanOrEqual(2)
    })
  )

  it.live("a partition is looked at when its earliest timer is due, whatever is set for later meanwhile", () =>
    Effect.gen(function* () {
      const { loop, looks, partitions } = yield* looking(() =>
        Effect.succeed({ served: 0, expired: [], doubted: [], nextMillis: null })
      )
      // after its look at the start it is looked at in a minute
      const last = partitions.at(-1)!
      yield* Fleet.until(
        Effect.sync(() => looks.get(last)!),
        (count) => count === 1
      )
      loop.wakeIn(last, 50)
      loop.wakeIn(last, hour)
      yield* Fleet.until(
        Effect.sync(() => looks.get(last)!),
        (count) => count === 2
      )
    })
  )

  /** Looks at which no partition has a timer, until each was looked at once. The last partition's next look is in a minute. */
  const idle = Effect.gen(function* () {
    const found = yield* looking(() => Effect.succeed({ served: 0, expired: [], doubted: [], nextMillis: null }))
    const all = Effect.sync(() => [...found.looks.values()])
    expect(yield* Fleet.until(all, (counts) => counts.every((count) => count > 0))).toEqual(
      found.partitions.map(() => 1)
    )
    return { ...found, all }
  })

  it.live("a loop looks at every partition at its start, and again within a second when another process is gone", () =>
    Effect.gen(function* () {
      const { all, loop, partitions } = yield* idle
      loop.lookSoon()
      expect(yield* Fleet.until(all, (counts) => counts.every((count) => count > 1))).toEqual(partitions.map(() => 2))
    })
  )

  it.live(
    "a timer that only a process that stops knows of is looked at by the others when it is due, and nothing else",
    () =>
      Effect.gen(function* () {
        const [stops, stays] = [yield* idle, yield* idle]
        const handoverOf = (loop: TimerLoop.TimerLoop, process: Fleet.Process<Fleet.Services>) =>
          Effect.flatMap(Effect.scope, (scope) =>
            process.run(Effect.provideService(TimerHandover.make(loop, Date.now), Scope.Scope, scope))
          )
        const tells = yield* handoverOf(stops.loop, stops.process)
        yield* handoverOf(stays.loop, stays.process)
        const last = stops.partitions.length - 1
        stops.loop.wakeIn(stops.partitions[last]!, 500)
        stops.loop.wakeIn(stops.partitions[0]!, hour)
        expect([...stops.loop.known().keys()]).toEqual([stops.partitions[last]])
        yield* tells.tell
        yield* Fleet.until(stays.all, (counts) => counts[last]! > 1)
        expect(yield* stays.all).toEqual([...stays.partitions.slice(1).map(() => 1), 2])
      })
  )

  it.live("a timer that only a process that died knew of – its lease is over – is served by a living one", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const { of, partitions } = yield* client.run(Keyspace)
      // of the last partition, whose next look after that at the start comes in a minute
      let id = yield* client.run(Fleet.submit())
      for (let n = 0; of(id) !== partitions.at(-1); n++) {
        yield* client.run(Fleet.cancel(id))
        id = yield* client.run(Fleet.submit({ owner: `owner ${n}` }))
      }
      const hand = yield* Fleet.byHand(client, "gone.1")
      const holding = yield* hand.take("weigh")
      // alive until it has set its timer
      yield* client.send("ZADD", keyNames.alive, Fleet.ever, "gone.1")
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      // the worker's looks at the start are over when timers that are due now are served no more
      const { timers } = of(id)
      yield* client.send("ZADD", timers, 1, "nothing")
      yield* Fleet.until(client.send("ZSCORE", timers, "nothing"), (score) => score === null)
      yield* client.run(Fleet.defer(holding, { delayMillis: 50 }))
      yield* client.send("ZADD", keyNames.alive, 1, "gone.1")
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
    })
  )

  it.live("a partition whose look failed is looked at again after a second, not a minute", () =>
    Effect.gen(function* () {
      const error = new RedisError.RedisUnavailable({ command: "promote", cause: "away" })
      const { looks, partitions } = yield* looking((_, count) => (count === 1 ? Effect.fail(error) : null))
      yield* Fleet.until(
        Effect.sync(() => looks.get(partitions[0]!)!),
        (count) => count >= 2
      )
    })
  )

  it.live("a partition's task runs whenever it is due, and no more once its scope is closed", () =>
    Effect.gen(function* () {
      const { loop, looks, partitions } = yield* looking()
      const [first] = partitions
      const count = Effect.sync(() => looks.get(first!)!)
      let runs = 0
      const scope = yield* Scope.make()
      const run = (partition: Keys.Partition) => Effect.sync(() => void (partition === first && runs++))
      yield* Scope.provide(loop.add({ dueAt: () => 0, run }), scope)
      loop.wake()
      yield* Fleet.until(
        Effect.sync(() => runs),
        (seen) => seen >= 2
      )
      yield* Scope.close(scope, Exit.void)
      const atClose = runs
      const before = yield* count
      yield* Fleet.until(count, (seen) => seen >= before + 3)
      // the run under way
      expect(runs).toBeLessThanOrEqual(atClose + 1)
    })
  )

  it.live("timers are served on after the machine's clock was set back an hour", () =>
    Effect.gen(function* () {
      const clock = yield* SteppedClock.make
      const { loop, looks, partitions } = yield* clock.on(looking())
      const [first] = partitions
      const count = Effect.sync(() => looks.get(first!)!)
      loop.wakeIn(first!, 0)
      const before = yield* Fleet.until(count, (seen) => seen >= 2)
      clock.back(hour)
      yield* Fleet.until(count, (seen) => seen >= before + 5)
    })
  )
})
