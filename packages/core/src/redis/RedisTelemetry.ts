/**
 * RedisTelemetry: whether Redis answers and takes commands, and the gauges of its memory. They are read at a scrape, as all gauges are, so an idle process sends nothing.
 * On a Cluster they show the fullest master, because it refuses writes first.
 */
import { Effect, Metric, Option } from "effect"
import { RedisClient } from "./RedisClient.ts"
import { isTransient } from "./RedisError.ts"
import * as ServerInfo from "./ServerInfo.ts"
import { Gauges } from "../telemetry/Gauges.ts"
import * as Metrics from "../telemetry/Metrics.ts"

/** Shorter than a scrape waits for all gauges. */
const answerWithin = "1 second"

export const register = Effect.gen(function* () {
  const redis = yield* RedisClient
  const gauges = yield* Gauges
  const up = (isUp: boolean) => Metric.update(Metrics.redisUp, isUp ? 1 : 0)
  /** What is known without asking, and whether it answers now: a server that hangs breaks no connection for a while. */
  const readUp = Effect.matchEffect(Effect.timeoutOption(redis.send("PING"), answerWithin), {
    onFailure: (error) => up(error._tag === "RedisRefused" && !isTransient(error) && redis.trouble() === null),
    onSuccess: (answer) => up(Option.isSome(answer) && redis.trouble() === null)
  })
  const read = Effect.flatMap(redis.servers, (servers) => {
    const info = ServerInfo.fullest(servers)
    if (info === undefined) return Effect.void
    const { limit, used } = ServerInfo.memory(info)
    return Effect.andThen(Metric.update(Metrics.redisMemoryUsed, used), Metric.update(Metrics.redisMemoryLimit, limit))
  })
  // when Redis does not answer, a scrape shows the last known figures; where INFO is not permitted, none
  yield* gauges.register(Effect.ignore(read))
  yield* gauges.register(readUp)
})
