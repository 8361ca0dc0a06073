/**
 * A stage's fallback: what it leaves when its handler has failed, so that a job whose work can be done in a plainer way ends well
 * instead of being parked or failing (J1).
 */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, Schedule, Schema } from "effect"
import { Pipeline, Retry, Stage, StageBehavior } from "@eco2/core"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()

const Text = Schema.String
const first = Stage.make("first", { needs: { input: Text }, output: Text, progress: 50, timeout: "60 millis" })
const second = Stage.make("second", { needs: { first: Text }, output: Text, progress: 100 })
const Plain = Pipeline.make("plain", { input: Text }).add(first).add(second)
const submitted = Effect.map(Pipeline.submit(Plain, "hello", { owner: "ann", key: null }), ({ id }) => id)

class WriterAway extends Schema.TaggedError<WriterAway>()("WriterAway", {}) {}
class WriterBusy extends Schema.TaggedError<WriterBusy>()("WriterBusy", { retryAfter: Schema.Duration }) {}
type Errors = WriterAway | WriterBusy

interface Seen {
  readonly tag: string
  readonly isLast: boolean
}

const serving = (
  handler: (job: StageBehavior.StageJob) => Effect.Effect<string, Errors>,
  fallback: NonNullable<StageBehavior.Options<Errors, typeof first.needs, string>["fallback"]>
) => {
  const seen: Array<Seen> = []
  const behaviors = StageBehavior.layer(
    Plain,
    "first",
    Effect.succeed((_, job) => handler(job)),
    {
      retry: Retry.policy<Errors>({ otherwise: Schedule.spaced(Duration.millis(5)).pipe(Schedule.upTo({ times: 2 })) }),
      fallback: (values, failed) => {
        seen.push({ tag: failed.error._tag, isLast: failed.isLast })
        return fallback(values, failed)
      }
    }
  )
  const next = StageBehavior.layer(
    Plain,
    "second",
    Effect.succeed((values) => Effect.succeed(`${values.first}!`))
  )
  return Effect.map(Fleet.working(redis.url, Layer.merge(behaviors, next)), (worker) => ({ worker, seen }))
}

describe("a stage's fallback", () => {
  it.live("J1 a stage whose attempts are used up leaves its fallback, and the job goes on and is done", () =>
    Effect.gen(function* () {
      const { seen, worker } = yield* serving(
        () => Effect.fail(new WriterAway()),
        ({ input }, { isLast }) => (isLast ? `plainly ${input}` : null)
      )
      const id = yield* worker.run(submitted)
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(job.outputs.get("second")).toBe('"plainly hello!"')
      expect(seen.map(({ isLast }) => isLast)).toEqual([false, false, true])
      expect(yield* worker.run(Fleet.terminalsOf(id))).toEqual(["done"])
    })
  )

  it.live("a fallback that is not wanted at a failure leaves the job to the retry policy", () =>
    Effect.gen(function* () {
      const { worker } = yield* serving(
        ({ attempt }) => (attempt < 3 ? Effect.fail(new WriterAway()) : Effect.succeed("written")),
        () => null
      )
      const id = yield* worker.run(submitted)
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(job.outputs.get("first")).toBe('"written"')
    })
  )

  it.live("a stage that waits without spending attempts falls back by the age of its job", () =>
    Effect.gen(function* () {
      const { seen, worker } = yield* serving(
        () => Effect.fail(new WriterBusy({ retryAfter: Duration.millis(20) })),
        (_, { ageMillis }) => (ageMillis >= 100 ? "plain" : null)
      )
      const id = yield* worker.run(submitted)
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(seen.every(({ isLast, tag }) => tag === "WriterBusy" && !isLast)).toBe(true)
    })
  )

  it.live("A3 a stage whose attempt was cut by its time-out may fall back", () =>
    Effect.gen(function* () {
      const { seen, worker } = yield* serving(
        () => Effect.never,
        () => "plain"
      )
      const id = yield* worker.run(submitted)
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(seen).toEqual([{ tag: "StageTimeout", isLast: false }])
    })
  )

  it.live("a defect in a handler is no reason to fall back", () =>
    Effect.gen(function* () {
      const { seen, worker } = yield* serving(
        ({ attempt }) => (attempt === 1 ? Effect.die(new Error("a bug")) : Effect.succeed("written")),
        () => "plain"
      )
      const id = yield* worker.run(submitted)
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect([seen, job.outputs.get("first")]).toEqual([[], '"written"'])
    })
  )
})
