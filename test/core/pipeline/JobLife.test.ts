/** One terminal event a run, whatever crashes and whoever races (J1); a committed stage is never computed again (J2). */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()

describe("the life of a job", () => {
  it.live("J1 a submitted job runs its stages in order and ends with one terminal event", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      const id = yield* worker.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), (job) => job.state === "done")
      expect(yield* worker.run(Fleet.toldOf(id))).toEqual([
        "queued/started",
        "weigh/started",
        "weigh/completed",
        "label/started",
        "label/completed",
        "ship/started",
        "ship/completed",
        "done/completed"
      ])
    })
  )
})
