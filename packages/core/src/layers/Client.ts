/**
 * Client: the services of a program that submits jobs, tells, asks and follows events. It loads no handler and no reader of
 * mailboxes (Worker does).
 */
import { Effect, Layer, Metric } from "effect"
import type { Config, Scope } from "effect"
import { layer as repliesLayer, Replies } from "../actor/Replies.ts"
import { CoreConfig } from "../config/CoreConfig.ts"
import { layer as dataGuardLayer } from "./DataGuard.ts"
import * as FleetTelemetry from "./FleetTelemetry.ts"
import { layer as unservedWatchLayer } from "./UnservedWatch.ts"
import { CallLedger, layer as callLedgerLayer } from "../job/CallLedger.ts"
import { layer as eventLogLayer } from "../job/EventLog.ts"
import type { EventLog } from "../job/EventLog.ts"
import { layer as jobEndsLayer } from "../job/JobEnds.ts"
import type { JobEnds } from "../job/JobEnds.ts"
import { layer as jobStoreLayer } from "../job/JobStore.ts"
import type { JobStore } from "../job/JobStore.ts"
import { layer as partialTextLayer, PartialText } from "../job/PartialText.ts"
import { layer as mailboxLayer } from "../mailbox/Mailbox.ts"
import type { Mailbox } from "../mailbox/Mailbox.ts"
import { layer as unservedLayer } from "../mailbox/Unserved.ts"
import type { Unserved } from "../mailbox/Unserved.ts"
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
import * as Main from "../supervision/Main.ts"
import { Readiness } from "../supervision/Readiness.ts"
import { Gauges } from "../telemetry/Gauges.ts"
import { lastReadAge } from "../telemetry/Metrics.ts"
import { layer as topicsLayer, Topics } from "../topic/Topic.ts"

export type Client =
  | JobStore
  | CallLedger
  | PartialText
  | JobEnds
  | Mailbox
  | Replies
  | EventLog
  | Topics
  | Policies
  | Keyspace
  | Schedules
  | Unserved

/** Why a process cannot start on this Redis. */
export type StartError = RedisError | RedisUnsuitable | KeyspaceMismatch

/** All client services. Needs a Redis and its settings. */
export const layer: Layer.Layer<Client, StartError, RedisClient | CoreConfig> = Layer.mergeAll(
  Layer.provideMerge(jobEndsLayer, Layer.merge(jobStoreLayer, eventLogLayer)),
  Layer.provideMerge(Layer.merge(repliesLayer, unservedLayer), mailboxLayer),
  schedulesLayer,
  callLedgerLayer,
  partialTextLayer
).pipe(Layer.provideMerge(Layer.provideMerge(policiesLayer, topicsLayer)), Layer.provideMerge(Keyspace.layer))

/** Redis from REDIS_URL, and the settings from their variables. */
export const fromEnvironment: Layer.Layer<RedisClient | CoreConfig, RedisUrlInvalid | Config.ConfigError> = Layer.merge(
  redisLayer,
  CoreConfig.layer
)

/**
 * Readiness check of any process that uses Redis, gateways and workers alike: not ready while Redis is full or down. Running
 * work and the work in mailboxes go on meanwhile, because a full Redis does not refuse them.
 */
export const readiness: Layer.Layer<never, never, RedisClient | Keyspace | Replies | Readiness> = Layer.effectDiscard(
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const replies = yield* Replies
    const readiness = yield* Readiness
    yield* readiness.register("replies", replies.trouble)
    yield* readiness.register("redis", redis.trouble)
    yield* readiness.register("keyspace", keyspace.trouble)
  })
)

/** Notices that Redis has lost its data; for processes without a heartbeat. */
export const dataGuard: Layer.Layer<never, never, RedisClient | Keyspace | Readiness> = dataGuardLayer

/** Gauges of any process that uses Redis: whether it answers, and how full it is. */
export const telemetry: Layer.Layer<never, never, RedisClient | Gauges> = Layer.effectDiscard(RedisTelemetry.register)

/** Gauges of the whole fleet, for a process that every installation has (a gateway): mailboxes, their servers, processes. */
export const fleetTelemetry: Layer.Layer<
  never,
  never,
  RedisClient | CoreConfig | Mailbox | Unserved | Policies | Gauges
> = Layer.effectDiscard(FleetTelemetry.register)

/** Says which mailboxes have work and no process that serves them; one process of the fleet looks. Worker.telemetry has it too. */
export const unservedWatch: Layer.Layer<never, never, RedisClient | Unserved | Gauges> = unservedWatchLayer

/** The read of topics blocks for 20 s, so an answer is due before this. */
const deafAfterMillis = 30_000

/** Readiness and gauges of any process that follows topics: not ready after 30 s without an answer to their read. */
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

/**
 * Runs a program of a client as a process. SIGTERM and SIGINT interrupt it; the process ends, with code 0, when its connections
 * are closed. Exit code 1, after the reason as one line of log, when it fails. A worker has Worker.run.
 */
export const run = <R, E, A, E2>(
  client: Layer.Layer<R, E>,
  program: Effect.Effect<A, E2, NoInfer<R> | Scope.Scope>
): void => Main.run(Main.reported("client", Effect.scoped(Effect.provide(program, client))))
