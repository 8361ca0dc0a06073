/** A defect in the router's own loops: it goes on anew, and a gateway whose router fails too often is not ready and ends. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Core, CoreConfig, Job, Readiness } from "@eco2/core"
import { RedisServer } from "@eco2/core/testing"
import { Context, Duration, Effect, Layer, Option, Queue, References, Schema } from "effect"
import * as Router from "../../../packages/gateway/src/events/EventRouter.ts"
import * as BrokenRedis from "../../core/BrokenRedis.ts"

let redis: RedisServer.RedisServer
beforeAll(async () => {
  redis = await RedisServer.start()
})
afterAll(() => redis.stop())

const started = Effect.fnUntraced(function* (breaking: BrokenRedis.Breaking) {
  const config = {
    corsOrigins: [],
    imageHosts: [],
    viewTimeout: Duration.minutes(5),
    keepalive: Duration.millis(20),
    internalSecret: Option.none(),
    maxViewers: 10,
    uploadMemory: 1024
  }
  const context = yield* Router.layer(config).pipe(
    Layer.provideMerge(Core.client),
    Layer.provideMerge(Layer.merge(BrokenRedis.layer(redis.url, breaking), Readiness.layer)),
    Layer.provide(CoreConfig.layerWith({})),
    Layer.fresh,
    Layer.build,
    Effect.provideService(References.MinimumLogLevel, "None")
  )
  return { router: Context.get(context, Router.EventRouter), readiness: Context.get(context, Readiness) }
})
const id = Schema.decodeUnknownSync(Job.JobId)("9b2f0f7e-5b7f-4c63-9c52-000000000000")

describe("the event router", () => {
  it.live("goes on with its keepalives after a defect in one", () =>
    Effect.gen(function* () {
      let checks = 0
      const { readiness, router } = yield* started(
        new Map([["LLEN", () => (++checks === 1 ? ("before" as const) : undefined)]])
      )
      const place = router.subscribe(id)
      if (place === null) return yield* Effect.die(new Error("there was room"))
      for (let n = 0; n < 3; n++) {
        expect(yield* Queue.take(place.subscription.signals)).toEqual({ _tag: "Keepalive" })
      }
      expect(checks).toBeGreaterThan(1)
      expect(readiness.troubles()).toEqual([])
    })
  )

  for (const [loop, call] of [
    ["events", "XREAD"],
    ["keepalives", "LLEN"]
  ] as const) {
    it.live(`whose ${loop} fail too often is not ready, and its process is to end`, () =>
      Effect.gen(function* () {
        const { readiness, router } = yield* started(new Map([[call, "before" as const]]))
        router.subscribe(id)
        expect(yield* Effect.flip(readiness.failed).pipe(Effect.timeout("15 seconds"))).toMatchObject({ loop })
        expect(readiness.troubles()).toEqual([{ name: loop, trouble: `${loop} failed too often: 6 times within 1m` }])
      })
    )
  }
})
