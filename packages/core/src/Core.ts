/**
 * Core: the layers a program needs, put together once. `client` is enough to submit and to watch; `worker` adds the
 * process's part in the fleet: reading, lease, timers.
 */
import { Effect, Layer, Metric } from "effect"
import type { Config } from "effect"
import { ActorSystem } from "./actor/ActorSystem.ts"
import { layer as fleetLayer } from "./actor/Fleet.ts"
import type { Fleet } from "./actor/Fleet.ts"
import { CoreConfig } from "./config/CoreConfig.ts"
import { layer as repliesLayer, Replies } from "./actor/Replies.ts"
import { layer as deadLettersLayer } from "./deadletter/DeadLetters.ts"
import type { DeadLetters } from "./deadletter/DeadLetters.ts"
import { layer as eventLogLayer } from "./event/EventLog.ts"
import type { EventLog } from "./event/EventLog.ts"
import { layer as breakerLayer } from "./limit/CircuitBreaker.ts"
import type { CircuitBreaker } from "./limit/CircuitBreaker.ts"
import { layer as limiterLayer } from "./limit/RateLimiter.ts"
import type { RateLimiter } from "./limit/RateLimiter.ts"
import { layer as leaseLayer } from "./mailbox/Lease.ts"
import { layer as mailboxLayer } from "./mailbox/Mailbox.ts"
import type { Mailbox } from "./mailbox/Mailbox.ts"
import { layer as jobEndsLayer } from "./pipeline/JobEnds.ts"
import type { JobEnds } from "./pipeline/JobEnds.ts"
import { layer as imageMemoryLayer } from "./pipeline/ImageMemory.ts"
import type { ImageMemory } from "./pipeline/ImageMemory.ts"
import { layer as jobListLayer } from "./pipeline/JobList.ts"
import type { JobList } from "./pipeline/JobList.ts"
import { layer as jobStoreLayer } from "./pipeline/JobStore.ts"
import type { JobStore } from "./pipeline/JobStore.ts"
import { layer as policiesLayer } from "./policy/Policies.ts"
import type { Policies } from "./policy/Policies.ts"
import { Keyspace } from "./redis/Keyspace.ts"
import type { KeyspaceMismatch } from "./redis/Keyspace.ts"
import { layer as redisLayer } from "./redis/RedisClient.ts"
import { RedisClient } from "./redis/RedisClient.ts"
import type { RedisError } from "./redis/RedisError.ts"
import type { RedisUrlInvalid } from "./redis/RedisUrl.ts"
import type { RedisUnsuitable } from "./redis/Suitability.ts"
import { Gauges } from "./telemetry/Gauges.ts"
import { lastReadAge } from "./telemetry/Metrics.ts"
import { Readiness } from "./telemetry/Readiness.ts"
import * as StoreTelemetry from "./telemetry/StoreTelemetry.ts"
import * as WorkerTelemetry from "./telemetry/WorkerTelemetry.ts"
import { layer as schedulesLayer } from "./timer/Schedules.ts"
import type { Schedules } from "./timer/Schedules.ts"
import { layer as timersLayer } from "./timer/Timers.ts"
import { layer as topicsLayer, Topics } from "./topic/Topic.ts"

export type Client = JobStore | JobEnds | Mailbox | Replies | EventLog | Topics | Policies | Keyspace | Schedules

/** Why a process cannot start on this Redis. */
export type StartError = RedisError | RedisUnsuitable | KeyspaceMismatch

/** Submitting, telling, watching. Needs a Redis and its settings. */
export const client: Layer.Layer<Client, StartError, RedisClient | CoreConfig> = Layer.mergeAll(
  Layer.provideMerge(jobEndsLayer, Layer.merge(jobStoreLayer, eventLogLayer)),
  Layer.provideMerge(repliesLayer, mailboxLayer),
  schedulesLayer
).pipe(Layer.provideMerge(Layer.provideMerge(policiesLayer, topicsLayer)), Layer.provideMerge(Keyspace.layer))

/** The same, and work: behaviors on top of this are served until their scope closes. */
export const worker = (options: {
  readonly role: string
}): Layer.Layer<Client | ActorSystem | ImageMemory, StartError, RedisClient | CoreConfig> =>
  Layer.merge(ActorSystem.layer(options), imageMemoryLayer).pipe(
    Layer.provide([leaseLayer, timersLayer]),
    Layer.provideMerge(client)
  )

/**
 * Answers /readyz for any process that stands on Redis, gateways and workers alike: not ready while Redis is full or away.
 * Work in hand and in the mailboxes goes on meanwhile: what drains is never refused.
 */
export const storeReadiness: Layer.Layer<never, never, RedisClient | Replies | Readiness> = Layer.effectDiscard(
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const replies = yield* Replies
    const readiness = yield* Readiness
    yield* readiness.register("replies", replies.trouble)
    yield* readiness.register("redis", redis.trouble)
  })
)

/** Answers /metrics for any process that stands on Redis: how full it is. */
export const storeTelemetry: Layer.Layer<never, never, RedisClient | Gauges> = Layer.effectDiscard(
  StoreTelemetry.register
)

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

/** Answers /readyz and /metrics for a worker: readiness by Redis, heartbeat and reader, gauges of Redis and of the mailboxes it serves. */
export const workerTelemetry: Layer.Layer<
  never,
  never,
  RedisClient | ActorSystem | Mailbox | Replies | Topics | Readiness | Gauges
> = Layer.mergeAll(storeReadiness, storeTelemetry, topicReadiness, Layer.effectDiscard(WorkerTelemetry.register))

/** Fleet-wide limits and circuit breakers, for whatever calls something that must not be called too much. */
export const limits: Layer.Layer<RateLimiter | CircuitBreaker, never, RedisClient | CoreConfig> = Layer.merge(
  limiterLayer,
  breakerLayer
)

/** What operators see and do: dead letters, who lives, which jobs there are. */
export const operations: Layer.Layer<
  DeadLetters | Fleet | JobList,
  never,
  RedisClient | Keyspace | JobStore | CoreConfig
> = Layer.mergeAll(deadLettersLayer, fleetLayer, jobListLayer)

/** Redis by REDIS_URL and the settings by their variables. */
export const fromEnvironment: Layer.Layer<RedisClient | CoreConfig, RedisUrlInvalid | Config.ConfigError> = Layer.merge(
  redisLayer,
  CoreConfig.layer
)
