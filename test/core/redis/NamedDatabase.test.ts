/** The database that REDIS_URL names is the one that is used, or none is. */
import { describe, expect, it } from "@effect/vitest"
import { RedisClient } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import { Context, Effect, Layer, References } from "effect"
import { Redis } from "ioredis"
import { until } from "../Until.ts"

const quietly = Effect.provideService(References.MinimumLogLevel, "None")
const clientOf = (url: string) =>
  quietly(
    Effect.map(Layer.build(Layer.fresh(RedisClient.layerUrl(url))), (context) =>
      Context.get(context, RedisClient.RedisClient)
    )
  )
const outsideOf = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Redis(url)),
    (redis) => Effect.sync(() => redis.disconnect())
  )
const single = ["--databases", "1"]

describe("the database of REDIS_URL", () => {
  it.live("a database that the server has is used, by commands and by blocking reads", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.scoped()
      const client = yield* clientOf(`${url}/7`)
      yield* client.send("XADD", "stream", "*", "a", "b")
      const reader = yield* client.reader("stream")
      expect(yield* reader.read(100, "XREAD", "BLOCK", 100, "STREAMS", "stream", "0")).not.toBe(null)
      const outside = yield* outsideOf(url)
      expect(yield* Effect.promise(() => outside.dbsize())).toBe(0)
    })
  )

  it.live("a database that the server does not have stops the process at start, and the sentence names it", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.scoped({ args: single })
      const refusal = yield* Effect.flip(clientOf(`${url}/7`))
      expect(refusal.message).toContain(
        "REDIS_URL names database 7, and Redis refuses it: ERR DB index is out of range"
      )
      yield* clientOf(`${url}/0`)
    })
  )

  it.live("a database that the user may not select stops the process at start", () =>
    Effect.gen(function* () {
      const { port, url } = yield* RedisServer.scoped()
      const outside = yield* outsideOf(url)
      yield* Effect.promise(() => outside.call("ACL", "SETUSER", "eco2", "on", ">pw", "~*", "+@all", "-select"))
      const refusal = yield* Effect.flip(clientOf(`redis://eco2:pw@127.0.0.1:${port}/7`))
      expect(refusal.message).toContain("REDIS_URL names database 7, and Redis refuses it: NOPERM")
    })
  )

  it.live("a Redis that is away at start and comes back without the database gets no command in another one", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(() => RedisServer.freePort())
      const client = yield* clientOf(`redis://127.0.0.1:${port}/7`)
      const reader = yield* client.reader("stream")
      const { url } = yield* RedisServer.scoped({ args: single, port })
      const outside = yield* outsideOf(url)
      yield* Effect.promise(() => outside.xadd("stream", "*", "a", "b"))
      const written = yield* Effect.flip(quietly(client.send("SET", "key", "value")))
      expect(written._tag).toBe("RedisUnavailable")
      const read = yield* Effect.flip(quietly(reader.read(100, "XREAD", "BLOCK", 100, "STREAMS", "stream", "0")))
      expect(read._tag).toBe("RedisUnavailable")
      yield* until(Effect.sync(client.trouble), (trouble) => trouble !== null)
      expect(yield* Effect.promise(() => outside.keys("*"))).toEqual(["stream"])
    })
  )
})
