/** A cancelled job runs no further stage, wherever it waits, and its running stage is interrupted within a beat (J7). */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Metric } from "effect"
import { Metrics } from "@eco2/core/telemetry"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()

describe("cancelling", () => {
  it.live("J7 a cancelled waiting job leaves its mailbox at once, and no process begins it", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const id = yield* client.run(Fleet.submit())
      expect(yield* client.run(Fleet.cancel(id))).toBe("cancelled")
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
      expect(yield* client.run(Fleet.toldOf(id))).toEqual(["queued/started", "cancelled/cancelled"])
      const job = yield* client.run(Fleet.jobOf(id))
      expect(job).toMatchObject({ state: "cancelled", error: { code: "CANCELLED" } })
    })
  )

  it.live("a cancelled job is counted once, with its pipeline and who cancelled it", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const counter = Metric.withAttributes(Metrics.jobs, { pipeline: "parcel", outcome: "cancelled" })
      const { count: before } = yield* Metric.value(counter)
      const id = yield* client.run(Fleet.submit())
      expect([yield* client.run(Fleet.cancel(id)), yield* client.run(Fleet.cancel(id))]).toEqual([
        "cancelled",
        "already"
      ])
      expect((yield* Metric.value(counter)).count).toBe(before + 1)
    })
  )

  it.live("J7 a job cancelled while it waits on its timer is never promoted", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const holding = yield* hand.take("weigh")
      yield* client.run(Fleet.defer(holding))
      expect(yield* client.run(Fleet.cancel(id))).toBe("cancelled")
      expect(yield* client.send("EXISTS", holding.partition.timers)).toBe(0)
      const after = yield* Fleet.joined(redis.url, { clockOffsetMillis: 7_200_000 })
      yield* after.run(Fleet.promote)
      expect(yield* hand.read("weigh")).toEqual([])
      expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["cancelled"])
    })
  )

  it.live(
    "J7 a cancelled job's running stage is interrupted within a beat, runs its finalizers, and is the job's last",
    () =>
      Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        const interrupted = yield* Deferred.make<void>()
        const labelled: Array<string> = []
        const worker = yield* Fleet.working(
          redis.url,
          Fleet.parcelBehaviors({
            weigh: () =>
              Deferred.succeed(begun, undefined).pipe(
                Effect.andThen(Effect.never),
                Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
              ),
            labelled: (id) => labelled.push(id)
          })
        )
        const id = yield* worker.run(Fleet.submit())
        yield* Deferred.await(begun)
        expect(yield* worker.run(Fleet.cancel(id))).toBe("cancelled")
        yield* Deferred.await(interrupted).pipe(Effect.timeout("3 seconds"))
        expect(yield* worker.run(Fleet.toldOf(id))).toEqual(["queued/started", "weigh/started", "cancelled/cancelled"])
        expect(labelled).toEqual([])
        expect(yield* worker.run(Fleet.depthOf("parcel.label"))).toBe(0)
      })
  )

  it.live("J7 a stage that succeeds after the cancel is not recorded", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const holding = yield* hand.take("weigh")
      yield* client.run(Fleet.cancel(id))
      expect((yield* client.run(Fleet.commit(holding))).outcome).toBe("lost")
      expect((yield* client.run(Fleet.jobOf(id))).outputs.size).toBe(0)
      expect(yield* hand.read("label")).toEqual([])
    })
  )

  it.live("cancelling a cancelled, finished or unknown job answers so and writes no event", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      const id = yield* worker.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(yield* worker.run(Fleet.cancel(id))).toBe("finished")
      expect(yield* worker.run(Fleet.terminalsOf(id))).toEqual(["done"])
      const client = yield* Fleet.joined(redis.url)
      yield* worker.stop
      const other = yield* client.run(Fleet.submit())
      expect(yield* client.run(Fleet.cancel(other))).toBe("cancelled")
      expect(yield* client.run(Fleet.cancel(other))).toBe("already")
      expect(yield* client.run(Fleet.terminalsOf(other))).toEqual(["cancelled"])
      yield* redis.flush
      expect(yield* client.run(Fleet.cancel(other))).toBe("missing")
      expect(yield* Fleet.keysOf(client)).toEqual([])
    })
  )
})
