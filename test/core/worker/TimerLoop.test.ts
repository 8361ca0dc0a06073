/** When timers and schedules are looked at: each partition separately, and also after the machine's clock was set back. */
import { describe, expect, it } from "@effect/vitest"
import { Keyspace } from "@eco2/core/redis"
import type { Keys } from "@eco2/core/redis"
import { Supervisor } from "@eco2/core/telemetry"
import * as Timers from "../../../packages/core/src/worker/Timers.ts"
import { Effect, Scope } from "effect"
import * as TimerLoop from "../../../packages/core/src/worker/TimerLoop.ts"
import * as Fleet from "../CoreFixture.ts"
import * as SteppedClock from "../SteppedClock.ts"

const redis = Fleet.privateRedis()
const hour = 3_600_000

/** The loop on real timers; looks at those partitions of which `away` is true are not answered. Looks, by partition. */
const looking = Effect.fnUntraced(function* (away: (partition: Keys.Partition) => boolean = () => false) {
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
            looks.set(partition, looks.get(partition)! + 1)
            // as if a timer of this partition were always due soon
            return away(partition)
              ? Effect.never
              : Effect.map(service.promote(partition, mailboxes), (seen) => ({ ...seen, nextMillis: 20 }))
          })
      })
      return yield* TimerLoop.make({
        mailboxes: () => [],
        stopping: () => false,
        supervisor: Supervisor.make()
      }).pipe(Effect.provideService(Timers.Timers, watched), Effect.provideService(Scope.Scope, scope))
    })
  )
  return { loop, looks, partitions }
})

describe("TimerLoop", () => {
  it.live("a partition's timers are served while the servers of all others do not answer", () =>
    Effect.gen(function* () {
      const dead = new Set<Keys.Partition>()
      const { loop, looks, partitions } = yield* looking((partition) => dead.has(partition))
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
