/**
 * Worker: the services of a program that serves mailboxes, in addition to Client: reader, lease, timers, schedules. Behaviors
 * built on it are served until their scope closes.
 */
import { Context, Effect, Layer } from "effect"
import type { Scope } from "effect"
import type { Replies } from "../actor/Replies.ts"
import type { CoreConfig } from "../config/CoreConfig.ts"
import { layer as breakerLayer } from "../limit/CircuitBreaker.ts"
import type { CircuitBreaker } from "../limit/CircuitBreaker.ts"
import { layer as limiterLayer } from "../limit/RateLimiter.ts"
import type { RateLimiter } from "../limit/RateLimiter.ts"
import { layer as scrubLayer } from "../job/Scrub.ts"
import type { Mailbox } from "../mailbox/Mailbox.ts"
import type { Unserved } from "../mailbox/Unserved.ts"
import { layer as imageMemoryLayer } from "../pipeline/ImageMemory.ts"
import type { ImageMemory } from "../pipeline/ImageMemory.ts"
import { layer as jobImagesLayer } from "../pipeline/JobImages.ts"
import type { JobImages } from "../pipeline/JobImages.ts"
import type { Keyspace } from "../redis/Keyspace.ts"
import type { RedisClient } from "../redis/RedisClient.ts"
import { ScheduleLoop } from "../schedule/ScheduleLoop.ts"
import * as Main from "../supervision/Main.ts"
import type { Readiness } from "../supervision/Readiness.ts"
import * as EventLoop from "../telemetry/EventLoop.ts"
import type { Gauges } from "../telemetry/Gauges.ts"
import type { Topics } from "../topic/Topic.ts"
import { ActorSystem } from "../worker/ActorSystem.ts"
import { layer as leaseLayer } from "../worker/Lease.ts"
import { layer as scrubLoopLayer } from "../worker/ScrubLoop.ts"
import { layer as timersLayer } from "../worker/Timers.ts"
import * as WorkerTelemetry from "../worker/WorkerTelemetry.ts"
import * as Client from "./Client.ts"
import * as UnservedWatch from "./UnservedWatch.ts"

export type Worker = Client.Client | ActorSystem | ScheduleLoop | ImageMemory | JobImages

/** All worker and client services. `role`: a word, the first part of the process's token. */
export const layer = (options: {
  readonly role: string
}): Layer.Layer<Worker, Client.StartError, RedisClient | CoreConfig> =>
  Layer.mergeAll(
    ScheduleLoop.layer,
    Layer.provide(scrubLoopLayer, scrubLayer),
    Layer.provideMerge(jobImagesLayer, imageMemoryLayer)
  ).pipe(
    Layer.provideMerge(ActorSystem.layer(options)),
    Layer.provide([leaseLayer, timersLayer, EventLoop.layer]),
    Layer.provideMerge(Client.layer)
  )

/** Fleet-wide rate limits and circuit breakers, for handlers that call outside services. */
export const limits: Layer.Layer<RateLimiter | CircuitBreaker, never, RedisClient | CoreConfig> = Layer.merge(
  limiterLayer,
  breakerLayer
)

/** Readiness and gauges of a worker: ready by Redis, heartbeat and reader; gauges of Redis and of the mailboxes it serves. */
export const telemetry: Layer.Layer<
  never,
  never,
  RedisClient | Keyspace | ActorSystem | Mailbox | Unserved | Replies | Topics | Readiness | Gauges
> = Layer.mergeAll(
  Client.readiness,
  Client.telemetry,
  Layer.effectDiscard(
    Effect.flatMap(ActorSystem, (system) => UnservedWatch.make(() => system.mailboxes().map(({ mailbox }) => mailbox)))
  ),
  Client.topicReadiness,
  Layer.effectDiscard(WorkerTelemetry.register)
)

/**
 * Runs a worker as a process, with a program beside it that may use its services; without one, until it is stopped. SIGTERM and
 * SIGINT stop it in order: it takes no new work, finishes what runs within SHUTDOWN_GRACE, hands the rest back, and exits
 * with code 0. Exit code 1, after the reason as one line of log, when it cannot start, the program fails, or a part of the worker
 * has failed for good. The package `@eco2/core/service` has Role.run, which adds probes, metrics and JSON logs.
 *
 *     Worker.run(behaviors.pipe(Layer.provideMerge(Worker.layer({ role: "digest" })), Layer.provide(Client.fromEnvironment)))
 */
export const run = <R, E, A = never, E2 = never>(
  worker: Layer.Layer<R | ActorSystem, E>,
  program: Effect.Effect<A, E2, NoInfer<R> | ActorSystem | Scope.Scope> = Effect.never
): void => {
  const running = Effect.flatMap(Layer.build(worker), (context) =>
    Effect.raceFirst(program, Context.get(context, ActorSystem).failed).pipe(Effect.provideContext(context))
  )
  Main.run(Main.reported("worker", Effect.scoped(running)))
}
