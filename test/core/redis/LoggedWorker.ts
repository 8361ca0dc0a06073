/** LoggedWorker: a worker of the parcel pipeline whose log and readiness can be read, and an operator beside it. */
import { Context, Duration, Effect, Layer } from "effect"
import { Redis } from "ioredis"
import { Client, CoreConfig, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Readiness } from "@eco2/core/telemetry"
import * as Fleet from "../CoreFixture.ts"
import * as LogLines from "./LogLines.ts"

export const working = Effect.fnUntraced(function* (
  url: string,
  options: { readonly weigh?: Fleet.Weigh; readonly lease?: Duration.Duration; readonly submitReplicas?: number } = {}
) {
  const logs = LogLines.make()
  const { weigh, lease = Duration.seconds(15), submitReplicas = 0 } = options
  const context = yield* Layer.build(
    Layer.fresh(
      Layer.merge(Fleet.parcelBehaviors(weigh === undefined ? {} : { weigh }), Client.readiness).pipe(
        Layer.provideMerge(Worker.layer({ role: "test" })),
        Layer.provideMerge(
          Layer.mergeAll(
            RedisClient.layerUrl(url),
            CoreConfig.layerWith({ lease, submitReplicas, shutdownGrace: Duration.millis(100) }),
            Readiness.layer
          )
        ),
        Layer.provideMerge(logs.layer)
      )
    )
  )
  const redis = Context.get(context, RedisClient.RedisClient)
  const readiness = Context.get(context, Readiness)
  return {
    logs,
    redis,
    kinds: (text: string) => logs.of(text).map(({ facts }) => String(facts.kind)),
    trouble: Effect.sync(() => readiness.troubles().find(({ name }) => name === "redis")?.trouble ?? null),
    submit: Effect.provideContext(Fleet.submit(), context),
    done: (id: Effect.Success<ReturnType<typeof Fleet.submit>>) =>
      Fleet.until(Effect.provideContext(Fleet.jobOf(id), context), ({ state }) => state === "done")
  }
})

/** A connection of the operator's, apart from those under test. */
export const operator = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const redis = new Redis(url, { protocol: 2 })
      redis.on("error", () => undefined)
      return redis
    }),
    (redis) => Effect.sync(() => redis.disconnect())
  )
export const order = (redis: Redis, command: string, ...args: ReadonlyArray<string | number>) =>
  Effect.promise(() => redis.call(command, ...args))
