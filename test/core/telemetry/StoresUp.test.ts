/** Whether the stores answer, as a scrape of a process without work tells it: while an outage lasts, and no longer. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Metric } from "effect"
import { Postgres } from "@eco2/core/postgres"
import { RedisClient } from "@eco2/core/redis"
import { Gauges, Metrics } from "@eco2/core/telemetry"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import * as RedisTelemetry from "../../../packages/core/src/redis/RedisTelemetry.ts"
import { until } from "../Until.ts"

/** What a scrape shows of one gauge. */
const shown = (gauges: Gauges["Service"], metric: Metric.Gauge<number>) =>
  Effect.andThen(
    gauges.readAll,
    Effect.map(Metric.value(metric), ({ value }) => value)
  )

describe("eco2_redis_up", () => {
  it.live("eco2_redis_up is 0 while Redis hangs, is gone or refuses writes, and 1 again afterwards", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const gauges = Context.get(yield* Layer.build(Gauges.layer), Gauges)
      const context = yield* Layer.build(Layer.fresh(RedisClient.layerUrl(server.url)))
      yield* RedisTelemetry.register.pipe(Effect.provideContext(context), Effect.provideService(Gauges, gauges))
      const up = shown(gauges, Metrics.redisUp)
      expect(yield* up).toBe(1)
      server.freeze()
      expect(yield* up).toBe(0)
      server.thaw()
      yield* until(up, (value) => value === 1)
      yield* Effect.promise(() => server.kill9())
      yield* until(up, (value) => value === 0)
      yield* Effect.promise(() => server.restart())
      yield* until(up, (value) => value === 1)
    })
  )
})

describe.skipIf(!PostgresServer.isInstalled())("eco2_postgres_up", () => {
  it.live("eco2_postgres_up is 0 while PostgreSQL is away, for a process that sends it nothing, and 1 afterwards", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.promise(() => PostgresServer.start()),
        (one) => Effect.promise(() => one.stop())
      )
      const gauges = Context.get(yield* Layer.build(Gauges.layer), Gauges)
      const limits = { pool: 2, timeout: Duration.seconds(5) }
      yield* Layer.build(Layer.fresh(Postgres.layerUrl(server.url(), limits))).pipe(
        Effect.provideService(Gauges, gauges)
      )
      const up = shown(gauges, Metrics.postgresUp)
      yield* until(up, (value) => value === 1)
      yield* Effect.promise(() => server.kill())
      yield* until(up, (value) => value === 0)
      yield* Effect.promise(() => server.restart())
      yield* until(up, (value) => value === 1)
    })
  )
})
