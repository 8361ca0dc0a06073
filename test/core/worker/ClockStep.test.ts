/** Redis's clock stepping by minutes: it is said once by each process, ends no lease of the living (A1), and hides no dead. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Metric } from "effect"
import { Metrics } from "@eco2/core/telemetry"
import * as Lease from "../../../packages/core/src/worker/Lease.ts"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const minutes = 60_000

describe("Lease.condemn", () => {
  it.live("A1 a process is judged at no later time than its judge knows Redis's clock to be", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const stepped = yield* Fleet.joined(redis.url, { clockOffsetMillis: 10 * minutes })
      yield* client.run(Lease.Lease.use((lease) => Effect.orDie(lease.beat("a", "register"))))
      const now = yield* Fleet.timeOf(client)
      const condemn = (asOf: number) =>
        stepped.run(Lease.Lease.use((lease) => Effect.orDie(lease.condemn(["a"], asOf))))
      expect(yield* condemn(now)).toEqual([])
      expect(yield* condemn(Fleet.ever)).toEqual(["a"])
    })
  )
})

describe("a fleet whose Redis's clock steps", () => {
  const stepsCounted = (direction: string) =>
    Effect.map(Metric.value(Metric.withAttributes(Metrics.clockSteps, { direction })), ({ count }) => count)

  it.live("A1 a step of ten minutes forward ends no lease: each job runs once, and every process says it once", () =>
    Effect.gen(function* () {
      let ahead = 0
      const values = { clockOffset: () => ahead }
      const gate = yield* Deferred.make<void>()
      const calls: Array<string> = []
      const behaviors = Fleet.parcelBehaviors({
        weigh: (_, job) =>
          Effect.suspend(() => {
            calls.push(job.id)
            return Effect.as(Deferred.await(gate), { grams: 1 })
          })
      })
      const before = yield* stepsCounted("forward")
      const fleet = yield* Effect.forEach([1, 2, 3], () => Fleet.working(redis.url, behaviors, values))
      const worker = fleet[0]!
      const ids = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => `owner ${i}`),
        (owner) => worker.run(Fleet.submit({ owner }))
      )
      yield* Fleet.until(
        Effect.sync(() => calls.length),
        (count) => count === ids.length
      )
      const scores = Effect.map(worker.send("ZRANGE", keyNames.alive, 0, -1, "WITHSCORES"), (flat) =>
        (flat as ReadonlyArray<string>).filter((_, i) => i % 2 === 1).map(Number)
      )
      // each has beaten for a lease, and may judge others
      const start = Math.min(...(yield* scores))
      yield* Fleet.until(scores, (all) => Math.min(...all) > start + 2 * Fleet.lease)
      ahead = 10 * minutes
      const stepped = Math.max(...(yield* scores))
      yield* Fleet.until(scores, (all) => Math.min(...all) > stepped + 9 * minutes)
      const again = Math.min(...(yield* scores))
      yield* Fleet.until(scores, (all) => Math.min(...all) > again + 2 * Fleet.lease)
      expect((yield* scores).filter((score) => score < 0)).toEqual([])
      expect((yield* stepsCounted("forward")) - before).toBe(3)
      yield* Deferred.succeed(gate, undefined)
      for (const id of ids) yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(calls.toSorted()).toEqual([...ids].toSorted())
    })
  )

  it.live(
    "A1 after a step of ten minutes back a process that died before it is found within leases, not ten minutes",
    () =>
      Effect.gen(function* () {
        let ahead = 0
        const values = { clockOffset: () => ahead }
        const client = yield* Fleet.joined(redis.url)
        const victim = yield* Fleet.byHand(client, "victim")
        const id = yield* client.run(Fleet.submit())
        yield* victim.take("weigh")
        yield* Fleet.working(redis.url, Fleet.parcelBehaviors(), values)
        const before = yield* stepsCounted("back")
        ahead = -10 * minutes
        yield* Fleet.until(client.run(Fleet.jobOf(id)), ({ state }) => state === "done")
        expect((yield* stepsCounted("back")) - before).toBe(1)
      })
  )
})
