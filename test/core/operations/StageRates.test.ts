/** How fast stages have worked lately: counts from the rows of ended jobs, times from a sample of them. */
import { describe, expect, it } from "@effect/vitest"
import { JobStore } from "@eco2/core/client"
import { JobList, StageRates } from "@eco2/core/operations"
import { Duration, Effect, Layer } from "effect"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const windows = (process: Fleet.Process<Fleet.Services>) =>
  process.run(
    Effect.provide(
      StageRates.StageRates.use((rates) => Effect.orDie(rates.windows)),
      Layer.fresh(StageRates.layer.pipe(Layer.provide(JobList.layer)))
    )
  )

describe("StageRates", () => {
  it.live("without ended jobs both windows are whole and have no stages", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      expect(yield* windows(client)).toEqual([
        { windowMillis: 300_000, coveredMillis: 300_000, ended: 0, stages: [] },
        { windowMillis: 3_600_000, coveredMillis: 3_600_000, ended: 0, stages: [] }
      ])
    })
  )

  it.live("a stage has the jobs that passed it and that ended at it, with how long they waited for it and worked", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.submit())
      yield* Effect.sleep("60 millis")
      for (const stage of ["weigh", "label", "ship"]) {
        const holding = yield* hand.take(stage)
        if (stage === "weigh") yield* Effect.sleep("40 millis")
        yield* client.run(Fleet.commit(holding))
      }
      yield* client.run(Fleet.submit())
      yield* client.run(Fleet.commit(yield* hand.take("weigh")))
      yield* client.run(Fleet.bury(yield* hand.take("label")))
      yield* client.run(Fleet.eventful())
      const open = yield* client.run(Fleet.submit())
      const [short] = yield* windows(client)
      expect(short).toMatchObject({ ended: 3 })
      expect(
        short?.stages.map(({ cancelled, done, failed, mailbox, sampled }) => ({
          mailbox,
          done,
          failed,
          cancelled,
          sampled
        }))
      ).toEqual([
        { mailbox: "parcel.weigh", done: 2, failed: 0, cancelled: 1, sampled: 2 },
        { mailbox: "parcel.label", done: 1, failed: 1, cancelled: 0, sampled: 1 },
        { mailbox: "parcel.ship", done: 1, failed: 0, cancelled: 0, sampled: 1 }
      ])
      const weigh = short?.stages[0]
      expect(weigh?.wait?.p95).toBeGreaterThanOrEqual(50)
      expect(weigh?.run?.p95).toBeGreaterThanOrEqual(35)
      expect(weigh?.run?.p50).toBeLessThanOrEqual(weigh?.run?.p95 ?? 0)
      yield* client.run(Fleet.cancel(open))
    })
  )

  it.live("a look tells how far back ended jobs are kept, and the time of a redrive is no wait", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { jobTtl: Duration.minutes(1) })
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.submit())
      const holding = yield* hand.take("weigh")
      yield* client.run(Fleet.bury(holding))
      yield* client.run(JobStore.JobStore.use((store) => Effect.orDie(store.redrive(holding.id))))
      for (const stage of ["weigh", "label", "ship"]) yield* client.run(Fleet.commit(yield* hand.take(stage)))
      const [short, long] = yield* windows(client)
      expect([short?.coveredMillis, long?.coveredMillis]).toEqual([60_000, 60_000])
      expect(long?.stages[0]).toMatchObject({ done: 1, failed: 1, sampled: 0, wait: null, run: null })
    })
  )

  it("percentiles are those of the nearest rank, and a sample is spread over all", () => {
    expect(StageRates.percentiles([])).toBe(null)
    expect(StageRates.percentiles([7])).toEqual({ p50: 7, p95: 7 })
    expect(StageRates.percentiles(Array.from({ length: 100 }, (_, i) => 100 - i))).toEqual({ p50: 50, p95: 95 })
    expect(StageRates.spread([1, 2, 3], 3)).toEqual([1, 2, 3])
    expect(StageRates.spread([0, 1, 2, 3, 4, 5, 6, 7], 4)).toEqual([0, 2, 4, 6])
  })
})
