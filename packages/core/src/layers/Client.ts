/**
 * Client: what a program needs to submit, tell, ask and watch. It loads no handler and no reader of mailboxes; those are
 * Worker's. Its parts, put together once.
 */
import { Effect, Layer, Metric } from "effect"
import type { Config } from "effect"
import { layer as repliesLayer, Replies } from "../actor/Replies.ts"
import { CoreConfig } from "../config/CoreConfig.ts"
import { layer as eventLogLayer } from "../job/EventLog.ts"
import type { EventLog } from "../job/EventLog.ts"
import { layer as jobEndsLayer } from "../job/JobEnds.ts"
import type { JobEnds } from "../job/JobEnds.ts"
import { layer as jobStoreLayer } from "../job/JobStore.ts"
import type { JobStore } from "../job/JobStore.ts"
import { layer as mailboxLayer } from "../mailbox/Mailbox.ts"
import type { Mailbox } from "../mailbox/Mailbox.ts"
import { layer as policiesLayer } from "../policy/Policies.ts"
import type { Policies } from "../policy/Policies.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { KeyspaceMismatch } from "../redis/Keyspace.ts"
import { layer as redisLayer, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as RedisTelemetry from "../redis/RedisTelemetry.ts"
import type { RedisUrlInvalid } from "../redis/RedisUrl.ts"
import type { RedisUnsuitable } from "../redis/Suitability.ts"
import { layer as schedulesLayer } from "../schedule/Schedules.ts"
import type { Schedules } from "../schedule/Schedules.ts"
import { Readiness } from "../supervision/Readiness.ts"
import { Gauges } from "../telemetry/Gauges.ts"
import { lastReadAge } from "../telemetry/Metrics.ts"
import { layer as topicsLayer, Topics } from "../topic/Topic.ts"

export type Client = JobStore | JobEnds | Mailbox | Replies | EventLog | Topics | Policies | Keyspace | Schedules

/** Why a process cannot start on this Redis. */
export type StartError = RedisError | RedisUnsuitable | KeyspaceMismatch

/** Submitting, telling, asking, watching. Needs a Redis and its settings. */
export const layer: Layer.Layer<Client, StartError, RedisClient | CoreConfig> = Layer.mergeAll(
  Layer.provideMerge(jobEndsLayer, Layer.merge(jobStoreLayer, eventLogLayer)),
  Layer.provideMerge(repliesLayer, mailboxLayer),
  schedulesLayer
).pipe(Layer.provideMerge(Layer.provideMerge(policiesLayer, topicsLayer)), Layer.provideMerge(Keyspace.layer))

/** Redis by REDIS_URL and the settings by their variables. */
export const fromEnvironment: Layer.Layer<RedisClient | CoreConfig, RedisUrlInvalid | Config.ConfigError> = Layer.merge(
  redisLayer,
  CoreConfig.layer
)

/**
 * Answers /readyz for any process that stands on Redis, gateways and workers alike: not ready while Redis is full or away.
 * Work in hand and in the mailboxes goes on meanwhile: what drains is never refused.
 */
export const readiness: Layer.Layer<never, never, RedisClient | Replies | Readiness> = Layer.effectDiscard(
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const replies = yield* Replies
    const readiness = yield* Readiness
    yield* readiness.register("replies", replies.trouble)
    yield* readiness.register("redis", redis.trouble)
  })
)

/** Answers /metrics for any process that stands on Redis: how full it is. */
export const telemetry: Layer.Layer<never, never, RedisClient | Gauges> = Layer.effectDiscard(RedisTelemetry.register)

/** The topics' reader blocks for 20 s: an answer is due by then. */
const deafAfterMillis = 30_000

/** Answers /readyz and /metrics for any process that follows topics: not ready while it has not heard of them for too long. */
export const topicReadiness: Layer.Layer<never, never, Topics | Readiness | Gauges> = Layer.effectDiscard(
  Effect.gen(function* () {
    const { silentMillis, supervision } = yield* Topics
    const readiness = yield* Readiness
    const gauges = yield* Gauges
    const silence = () => {
      const silent = silentMillis()
      return silent > deafAfterMillis ? `no topic read answered for ${Math.round(silent / 1000)} s` : null
    }
    yield* readiness.register("topics", () => supervision.trouble() ?? silence(), supervision.failed)
    const age = Metric.withAttributes(lastReadAge, { reader: "topics" })
    yield* gauges.register(Effect.suspend(() => Metric.update(age, silentMillis() / 1000)))
  })
)
