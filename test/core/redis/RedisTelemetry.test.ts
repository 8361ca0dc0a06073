/** The metrics of Redis's memory. */
import { describe, expect, it } from "@effect/vitest"
import { Client } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Gauges } from "@eco2/core/telemetry"
import { RedisServer } from "@eco2/core/testing"
import { Context, Effect, Layer, Metric, References } from "effect"
import { redisMemoryLimit, redisMemoryUsed } from "../../../packages/core/src/telemetry/Metrics.ts"
import * as ServerInfo from "../../../packages/core/src/redis/ServerInfo.ts"
import * as RedisCluster from "../RedisCluster.ts"

const mebibytes = 1024 * 1024
const quiet = Layer.succeedContext(Context.make(References.MinimumLogLevel, "None"))
/** What a scrape of a process on this Redis reads. */
const scraping = (url: string) =>
  Effect.map(
    Layer.build(
      Client.telemetry.pipe(
        Layer.provideMerge(Layer.merge(Layer.fresh(Gauges.layer), Layer.fresh(RedisClient.layerUrl(url)))),
        Layer.provide(quiet)
      )
    ),
    (context) =>
      Effect.gen(function* () {
        yield* Context.get(context, Gauges).readAll
        const [used, limit] = yield* Effect.all([Metric.value(redisMemoryUsed), Metric.value(redisMemoryLimit)])
        return { used: used.value, limit: limit.value }
      })
  )
const freshMetrics = Effect.provideService(Metric.MetricRegistry, new Map())

describe("Redis's memory metrics", () => {
  it.live("Redis's memory is read at each scrape: bytes in use, and maxmemory, 0 where there is none", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const scrape = yield* scraping(server.url)
      const client = yield* RedisCluster.clientOf(server.url)
      const empty = yield* scrape
      expect(empty.limit).toBe(0)
      yield* client.send("CONFIG", "SET", "maxmemory", 64 * mebibytes)
      yield* client.send("SET", "ballast", "x".repeat(8 * mebibytes))
      const filled = yield* scrape
      expect(filled.limit).toBe(64 * mebibytes)
      expect(filled.used - empty.used).toBeGreaterThanOrEqual(8 * mebibytes)
    }).pipe(freshMetrics)
  )

  it.live("a scrape while Redis is away answers with the memory last read", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const scrape = yield* scraping(server.url)
      const before = yield* scrape
      expect(before.used).toBeGreaterThan(0)
      yield* Effect.promise(() => server.kill9())
      expect(yield* scrape).toEqual(before)
    }).pipe(freshMetrics)
  )

  it("on a Cluster the memory is that of the master with the largest share in use, not the most bytes", () => {
    const info = (name: string, used: number, limit: number) =>
      ServerInfo.parse(name, `used_memory:${used}\r\nmem_not_counted_for_evict:10\r\nmaxmemory:${limit}\r\n`)
    const fullest = (...servers: ReadonlyArray<ServerInfo.ServerInfo>) => ServerInfo.fullest(servers)?.server
    expect(fullest(info("a", 500, 1_000), info("b", 300, 400), info("c", 900, 2_000))).toBe("b")
    expect(fullest(info("a", 500, 0), info("b", 900, 0))).toBe("b")
    expect(fullest(info("a", 500, 0), info("b", 30, 400))).toBe("b")
    expect(fullest()).toBeUndefined()
    expect(ServerInfo.memory(info("a", 500, 1_000))).toEqual({ used: 490, limit: 1_000 })
  })
})
