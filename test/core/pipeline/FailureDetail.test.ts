/** The detail of a failure, an excerpt of what another service said: kept with the job and in no event, and bounded. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { EventLog, Pipeline, Retry, Stage, StageBehavior } from "@eco2/core"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const Text = Schema.String
const only = Stage.make("only", { needs: { input: Text }, output: Text, progress: 100 })
const Told = Pipeline.make("told", { input: Text }).add(only)

class ServiceRefused extends Schema.TaggedError<ServiceRefused>()("ServiceRefused", { said: Schema.String }) {}
const failing = (said: string, detail?: (error: ServiceRefused) => string | undefined) =>
  StageBehavior.layer(
    Told,
    "only",
    Effect.succeed(() => Effect.fail(new ServiceRefused({ said }))),
    { retry: Retry.policy<ServiceRefused>({ never: ["ServiceRefused"] }), ...(detail === undefined ? {} : { detail }) }
  )
const failed = Effect.fnUntraced(function* (...words: Parameters<typeof failing>) {
  const worker = yield* Fleet.working(redis.url, failing(...words))
  const { id } = yield* worker.run(Pipeline.submit(Told, "hello", { owner: null, key: null }))
  const { error } = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
  const history = yield* worker.run(EventLog.EventLog.use((log) => log.history(id, 0)))
  return { error, history: JSON.stringify(history) }
})

describe("a failure's detail", () => {
  it.live("a failure's detail is kept with the job, and is in no event that clients see", () =>
    Effect.gen(function* () {
      const { error, history } = yield* failed("no such plan", ({ said }) => said)
      expect(error).toMatchObject({ code: "ServiceRefused", detail: "no such plan" })
      expect(history).not.toContain("no such plan")
    })
  )

  it.live("a failure's detail of any length is cut to 1,000 characters", () =>
    Effect.gen(function* () {
      const { error } = yield* failed("x".repeat(5_000), ({ said }) => said)
      expect(error?.detail).toBe("x".repeat(1_000))
    })
  )

  it.live("a stage that names no detail keeps none", () =>
    Effect.gen(function* () {
      const { error } = yield* failed("no such plan")
      expect(error).not.toHaveProperty("detail")
    })
  )
})
