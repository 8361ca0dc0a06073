/**
 * StoreTelemetry: how full Redis is, for scrapers. Read when /metrics is, as all gauges are: no loop of its own, and nothing
 * for an idle process to send. On a Cluster the master that is full first speaks for all: it is the one that will refuse.
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
  // a scrape is answered with the last known figures when Redis is not, and with none where INFO is not permitted
  yield* gauges.register(Effect.ignore(read))
})
