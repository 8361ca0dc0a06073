/**
 * RedisTelemetry: the gauges of Redis's memory. They are read at a scrape, as all gauges are, so an idle process sends nothing.
 * On a Cluster they show the fullest master, because it refuses writes first.
 */
import { Effect, Metric } from "effect"
import { RedisClient } from "./RedisClient.ts"
import * as ServerInfo from "./ServerInfo.ts"
import { Gauges } from "../telemetry/Gauges.ts"
import * as Metrics from "../telemetry/Metrics.ts"

export const register = Effect.gen(function* () {
  const redis = yield* RedisClient
  const gauges = yield* Gauges
  const read = Effect.flatMap(redis.servers, (servers) => {
    const info = ServerInfo.fullest(servers)
    if (info === undefined) return Effect.void
    const { limit, used } = ServerInfo.memory(info)
    return Effect.andThen(Metric.update(Metrics.redisMemoryUsed, used), Metric.update(Metrics.redisMemoryLimit, limit))
  })
  // when Redis does not answer, a scrape shows the last known figures; where INFO is not permitted, none
  yield* gauges.register(Effect.ignore(read))
})
