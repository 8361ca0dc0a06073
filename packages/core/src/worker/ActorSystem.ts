/**
 * ActorSystem: the worker runtime of one process. It reads the mailboxes of its behaviors, renews the process's lease, serves
 * timers, and stops in order (Shutdown). Behaviors register with `serve` and receive deliveries.
 * Neighbours: Reader (reads entries), Heartbeat (A1, A4, J7), TimerLoop (durable waits), Draining (pauses), Workload (deliveries held), Supervisor.
 * A failure in a handler belongs to its message. A defect outside it, when a delivery begins or settles, belongs to the actor:
 * the slot is freed, and the entry stays pending and is adopted again (A4; five times, A2). When an actor or a loop fails too
 * often, the process stops its work in order (A5), and other processes take over.
 */
import { Cause, Context, Deferred, Duration, Effect, Exit, Fiber, Layer, Metric, Scope } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Definition from "../config/Definition.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import * as Suspicion from "../mailbox/Suspicion.ts"
import { Lease } from "./Lease.ts"
import { Mailbox } from "../mailbox/Mailbox.ts"
import * as Reader from "./Reader.ts"
import { Policies } from "../policy/Policies.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Elapsed from "../clock/Elapsed.ts"
import type { Topics } from "../topic/Topic.ts"
import * as TimerHandover from "./TimerHandover.ts"
import * as TimerLoop from "./TimerLoop.ts"
import type { PartitionTask } from "./TimerLoop.ts"
import { Timers } from "./Timers.ts"
import * as Heartbeat from "./Heartbeat.ts"
import * as Draining from "./Draining.ts"
import * as Shutdown from "./Shutdown.ts"
import * as Supervisor from "../supervision/Supervisor.ts"
import * as Timeouts from "./Timeouts.ts"
import { EventLoop } from "../telemetry/EventLoop.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { Workload } from "./Workload.ts"
import type { Server } from "./Workload.ts"

export class ActorSystem extends Context.Service<
  ActorSystem,
  {
    /** Serves a mailbox until the scope closes; then all work of the process stops, in order (A5). */
    readonly serve: (server: Server) => Effect.Effect<void, RedisError, Scope.Scope>
    /** Runs the work of a delivery in its own fiber; its slot is freed when the work ends, however it ends. */
    readonly work: (delivery: Delivery, work: Effect.Effect<void>) => Effect.Effect<void>
    /** Frees the slot of a delivery whose work ran outside `work`; a defect is counted as one of its actor. */
    readonly ended: (delivery: Delivery, exit: Exit.Exit<unknown, unknown>) => void
    /** Frees the slot of a delivery that needs no work. */
    readonly drop: (delivery: Delivery) => void
    /** Frees the slot of a delivery whose entry stays pending; the next beat adopts it again (A4). */
    readonly postpone: (delivery: Delivery) => void
    /** Times out the attempt that begins now: ends it after `millis`, unless its result is being recorded. */
    readonly watch: (delivery: Delivery, millis: number) => void
    /**
     * What becomes now of a suspect (A2). After "run" it is in its group, until `clear`; "alone" is followed by the call of
     * `alone`. Where there is no room for it, the verdict is a pause.
     */
    readonly judge: (delivery: Delivery, history: Suspicion.History, fresh: boolean) => Suspicion.Verdict
    /** Returns true when the delivery is the only one in work here; no other begins until `clear`. False: put it off. */
    readonly alone: (delivery: Delivery) => Effect.Effect<boolean>
    /** The attempt of a suspect is over. */
    readonly clear: (delivery: Delivery) => void
    /** Reserves a slot of another mailbox served here, to keep a job for its next stage; false: hand the job off. */
    readonly reserve: (mailbox: string) => boolean
    /** Ends a reservation: the delivery moves to that slot (`kept`), or the slot is freed. */
    readonly redeem: (delivery: Delivery, mailbox: string, kept: boolean) => void
    /** Whether the stop has reached the point where results that Redis did not accept are dropped. */
    readonly abandoned: () => boolean
    /** A durable timer of this partition is due in `millis`. */
    readonly wakeIn: (partition: Partition, millis: number) => void
    /** Runs a task in the timers' fibers until the scope closes; call the returned function when it is due earlier. */
    readonly addTask: (task: PartitionTask) => Effect.Effect<() => void, never, Scope.Scope>
    /** Mailboxes served here, with their free and busy slots. */
    readonly mailboxes: () => ReadonlyArray<{
      readonly mailbox: string
      readonly busy: number
      readonly concurrency: number
    }>
    /** Deliveries whose handlers go on after their end, by mailbox. */
    readonly outlived: () => ReadonlyMap<string, number>
    /** Seconds since the last answer of the reader that has waited longest. */
    readonly readAge: () => number
    /** Null while Redis answers and the process takes work; else what is wrong. */
    readonly trouble: () => string | null
    /**
     * Fails when an actor or a loop failed too often, after running work was finished or handed back. This process takes no more
     * work; its owner must end it, as a Role does.
     */
    readonly failed: Effect.Effect<never, Supervisor.LoopFailed>
    /** Returns when the process begins to stop (A5). */
    readonly stopping: Effect.Effect<void>
    /** Redis's clock as this process knows it, epoch milliseconds. */
    readonly storeTime: () => number
    /** The process's current token in the fleet. */
    readonly token: () => string
  }
>()("@eco2/core/worker/ActorSystem") {
  static layer(options: {
    readonly role: string
  }): Layer.Layer<
    ActorSystem,
    RedisError,
    RedisClient | Keyspace | CoreConfig | Mailbox | Lease | Timers | EventLoop | Topics | Policies
  > {
    return Layer.effect(ActorSystem, make(Definition.word("role", options.role)))
  }
}

const make = Effect.fnUntraced(function* (role: string) {
  const config = yield* CoreConfig
  const redis = yield* RedisClient
  const mailbox = yield* Mailbox
  const { partitions } = yield* Keyspace
  const now = yield* Elapsed.clock
  const scope = yield* Effect.scope
  const context = yield* Effect.context<never>()
  const workload = new Workload()
  const timeouts = yield* Timeouts.make(workload)
  const supervisor = Supervisor.make({ stopping: () => workload.stopping })
  const loop = yield* EventLoop
  const timers = yield* TimerLoop.make({
    mailboxes: () => [...workload.servers.keys()],
    stopping: () => workload.stopping,
    supervisor
  })
  const heartbeat = yield* Heartbeat.make(workload, role, supervisor, loop, timers.lookSoon)
  const draining = yield* Draining.make(workload, yield* Policies, heartbeat.token, config.shutdownGrace)
  yield* supervisor.supervise("drain", draining)
  const handover = yield* TimerHandover.make(timers, heartbeat.storeTime)

  // on a Cluster one read cannot cover several nodes: one reader for each partition
  const groups = redis.topology === "Cluster" ? partitions.map((partition) => [partition]) : [partitions]
  const answers = groups.map(() => now())
  const readers: Array<Fiber.Fiber<void>> = []
  let reading = false
  const startReading = Effect.suspend(() => {
    if (reading) return Effect.void
    reading = true
    return Effect.forEach(
      groups,
      (group, i) =>
        Effect.map(
          supervisor.supervise(
            "reader",
            Effect.scoped(
              Reader.run({
                workload,
                partitions: group,
                consumer: heartbeat.token,
                answered: () => {
                  answers[i] = now()
                },
                readers: groups.length,
                index: i
              })
            ).pipe(
              Effect.provideService(RedisClient, redis),
              Effect.provideService(Mailbox, mailbox),
              // entries of its last read may not have been dispatched
              Effect.tapDefect(() => Effect.sync(() => void (workload.overlooked = true)))
            )
          ),
          (fiber) => readers.push(fiber)
        ),
      { discard: true }
    ).pipe(Effect.provideService(Scope.Scope, scope))
  })

  const stop = yield* Effect.cached(
    Shutdown.run(
      workload,
      heartbeat,
      config.shutdownGrace,
      Effect.suspend(() => Fiber.awaitAll(readers)),
      handover.tell
    )
  )
  yield* Effect.addFinalizer(() => stop)
  const failed = yield* Deferred.make<never, Supervisor.LoopFailed>()
  // uninterruptible: closing the scope waits for this stop, which must be complete
  yield* Effect.forkScoped(
    Effect.catch(supervisor.failed, (error) =>
      Effect.uninterruptible(Effect.ensuring(stop, Deferred.fail(failed, error)))
    )
  )

  /** Counts the failures of each actor, by mailbox. */
  const failures = new Map<string, (cause: Cause.Cause<unknown>) => Effect.Effect<unknown>>()
  const failedWith = (actor: string, cause: Cause.Cause<unknown>) =>
    Effect.suspend(() => {
      if (!Cause.hasDies(cause)) return Effect.void
      workload.overlooked = true
      return failures.get(actor)?.(cause) ?? Effect.void
    })
  /** After a defect, frees the slots of deliveries that no fiber works on. */
  const take = (server: Server) => (deliveries: ReadonlyArray<Delivery>) =>
    Effect.onExit(
      Effect.suspend(() => server.take(deliveries)),
      (exit) => {
        if (Exit.isSuccess(exit)) return Effect.void
        for (const delivery of deliveries) if (!delivery.isBegun) workload.finish(delivery)
        return failedWith(server.mailbox, exit.cause)
      }
    ).pipe(Effect.catchDefect(() => Effect.void))

  const deafAfterMillis = 30_000
  return ActorSystem.of({
    serve: Effect.fnUntraced(function* (server) {
      yield* mailbox.ensure(server.mailbox)
      if (workload.servers.has(server.mailbox)) {
        Definition.refuse(`mailbox ${server.mailbox}`, "its number of handlers", 2, "1 in a process")
      }
      yield* Effect.addFinalizer(() => stop)
      failures.set(server.mailbox, supervisor.counting(server.mailbox))
      workload.servers.set(server.mailbox, {
        mailbox: server.mailbox,
        concurrency: server.concurrency,
        timeoutMillis: server.timeoutMillis,
        take: take(server)
      })
      workload.changed()
      yield* startReading
    }),
    work: Effect.fnUntraced(function* (delivery, work) {
      if (delivery.endReason === "lost") return workload.finish(delivery)
      // started at once: a fiber interrupted before its first step would not run the finalizer that frees its slot
      // detached: the stop ends it (Shutdown), and a handler that cannot be interrupted must not hold up the scope
      const fiber = yield* Effect.forkDetach(
        Effect.onExit(work, (exit) => {
          workload.finish(delivery)
          return Exit.isSuccess(exit) ? Effect.void : failedWith(delivery.slot, exit.cause)
        }),
        { startImmediately: true }
      )
      if (delivery.begun(fiber)) yield* Fiber.interrupt(fiber)
    }),
    ended: (delivery, exit) => {
      workload.finish(delivery)
      if (Exit.isFailure(exit)) Effect.runForkWith(context)(failedWith(delivery.slot, exit.cause))
    },
    drop: (delivery) => workload.finish(delivery),
    postpone: (delivery) => {
      workload.overlooked = true
      workload.finish(delivery)
    },
    watch: timeouts.watch,
    judge: (delivery, history, fresh) => {
      const verdict = Suspicion.judge(history, fresh, heartbeat.fleet(), workload.slots)
      const hasRoom =
        verdict._tag === "run"
          ? workload.joinGroup(delivery, verdict.group)
          : verdict._tag !== "alone" || !workload.isReserved
      const result: Suspicion.Verdict = hasRoom ? verdict : { _tag: "pause", millis: Suspicion.againMillis }
      const labels = { mailbox: delivery.mailbox, verdict: result._tag }
      Metric.withAttributes(Metrics.suspects, labels).updateUnsafe(1, context)
      return result
    },
    alone: (delivery) => workload.alone(delivery),
    clear: (delivery) => workload.clear(delivery),
    reserve: (mailbox) => workload.reserve(mailbox),
    redeem: (delivery, mailbox, kept) => {
      if (kept && workload.deliveries.get(delivery.key) === delivery) workload.move(delivery, mailbox)
      else workload.release(mailbox)
    },
    abandoned: () => workload.abandoned,
    wakeIn: timers.wakeIn,
    addTask: (task) => Effect.as(timers.add(task), timers.wake),
    mailboxes: () =>
      [...workload.servers.values()].map(({ concurrency, mailbox }) => ({
        mailbox,
        concurrency,
        busy: workload.busy(mailbox)
      })),
    outlived: () => {
      const held = new Map([...workload.servers.keys()].map((mailbox) => [mailbox, 0]))
      for (const { slot } of workload.outlived) held.set(slot, (held.get(slot) ?? 0) + 1)
      return held
    },
    readAge: () => (reading ? (now() - Math.min(...answers)) / 1000 : 0),
    failed: Deferred.await(failed),
    trouble: () => {
      const given = supervisor.trouble()
      if (given !== null) return given
      if (workload.stopping) return "stopping"
      const beatAge = now() - heartbeat.lastBeat()
      if (beatAge > Duration.toMillis(config.lease)) return `no heartbeat answered for ${Math.round(beatAge / 1000)} s`
      const deaf = workload.deafMailbox
      if (deaf !== null) return `every slot of ${deaf} is held by a handler that goes on after its end`
      // a reader without free slots sends no reads, so it gets no answers
      const asking = [...workload.servers.keys()].some((name) => workload.free(name) > 0)
      const readAge = now() - Math.min(...answers)
      return reading && asking && readAge > deafAfterMillis
        ? `no mailbox read answered for ${Math.round(readAge / 1000)} s`
        : null
    },
    stopping: workload.until(() => workload.stopping),
    storeTime: heartbeat.storeTime,
    token: heartbeat.token
  })
})
