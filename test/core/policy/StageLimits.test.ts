/** A limit inside a stage: how waiting for it counts for the attempt, and the place in line of a deferred job. */
import { expect, it } from "@effect/vitest"
import { Limit, Pipeline, RateLimiter, Stage, StageBehavior, Worker } from "@eco2/core"
import { Duration, Effect, Layer, Schema } from "effect"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const Text = Schema.String
const timeout = "400 millis"
const Calls = Pipeline.make("calls", { input: Text }).add(
  Stage.make("call", { needs: { input: Text }, output: Text, progress: 100, timeout })
)

/** A worker whose stage calls under a limit, ready to wait so long in the fiber. */
const working = (
  limit: Limit.Limit,
  patience: Duration.Input,
  called: (name: string) => void,
  work: Effect.Effect<void>
) =>
  Fleet.working(
    redis.url,
    StageBehavior.layer(
      Calls,
      "call",
      Effect.map(
        RateLimiter.RateLimiter,
        (limiter) =>
          ({ input }: { readonly input: string }, job: StageBehavior.StageJob) =>
            limiter.use(limit, { patience }, () =>
              Effect.as(
                Effect.andThen(
                  Effect.sync(() => called(`${input} in attempt ${job.attempt}`)),
                  work
                ),
                input
              )
            )
      )
    ).pipe(Layer.provide(Worker.limits))
  )
const submit = (input: string) => Effect.map(Pipeline.submit(Calls, input, { owner: null, key: null }), ({ id }) => id)

it.live("the wait for a limit does not count against the stage's timeout, and the work does", () =>
  Effect.gen(function* () {
    const limit = Limit.make("wait", { requests: 1, window: "600 millis" })
    const worker = yield* working(limit, "5 seconds", () => undefined, Effect.void)
    const ids = yield* Effect.forEach(["a", "b", "c"], (name) => worker.run(submit(name)))
    for (const id of ids) {
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(job.tries).toBe(1)
    }
    yield* worker.stop

    const free = Limit.make("free", { requests: 100 })
    const slow = yield* working(free, "5 seconds", () => undefined, Effect.never)
    const id = yield* slow.run(submit("d"))
    yield* Fleet.until(slow.run(Fleet.toldOf(id)), (told) => told.includes("call/retrying"))
    expect((yield* slow.run(Fleet.historyOf(id))).at(-1)).toMatchObject({ result: { code: "StageTimeout" } })
  })
)

it.live(
  "a job that would wait longer than its patience is deferred: no attempt is spent, its place in line is kept",
  () =>
    Effect.gen(function* () {
      const limit = Limit.make("later", { requests: 1, window: "1 second" })
      const called: Array<string> = []
      const worker = yield* working(limit, "300 millis", (name) => void called.push(name), Effect.void)
      const ids = []
      for (const name of ["a", "b", "c"]) {
        const id = yield* worker.run(submit(name))
        ids.push(id)
        // has asked the limit: is done, or put off
        yield* Fleet.until(worker.run(Fleet.toldOf(id)), (told) => told.length >= 3)
      }
      for (const id of ids) {
        yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      }
      expect(called).toEqual(["a in attempt 1", "b in attempt 1", "c in attempt 1"])
    })
)
