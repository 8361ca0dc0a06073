/**
 * DataGuard: notices in a process without a heartbeat (gateway, authz) that Redis has lost its data: asks for `{fleet}:meta`
 * every five seconds, and at once after a reconnect, which may reach an empty server. Keyspace compares, logs, and tells.
 */
import { Effect, Layer } from "effect"
import { Keyspace } from "../redis/Keyspace.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import { Readiness } from "../supervision/Readiness.ts"
import * as Supervisor from "../supervision/Supervisor.ts"

const lookMillis = 250
const looksPerQuestion = 20

export const layer: Layer.Layer<never, never, RedisClient | Keyspace | Readiness> = Layer.effectDiscard(
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const readiness = yield* Readiness
    let reconnects = redis.reconnects()
    let looks = 0
    const look = Effect.suspend(() => {
      if (redis.reconnects() === reconnects && ++looks < looksPerQuestion) return Effect.void
      reconnects = redis.reconnects()
      looks = 0
      return Effect.catch(keyspace.confirm, () =>
        Effect.sync(() => {
          // RedisHealth says why; the next look asks again
          reconnects = -1
        })
      )
    })
    const supervisor = Supervisor.make()
    yield* supervisor.supervise("data guard", Effect.forever(Effect.andThen(Effect.sleep(lookMillis), look)))
    yield* readiness.register("data guard", supervisor.trouble, supervisor.failed)
  })
)
