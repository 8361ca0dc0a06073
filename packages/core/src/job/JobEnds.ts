/**
 * JobEnds: waits for the end of a job, whichever process runs it. All waiters of a process share one live tail of events, open
 * only while there are waiters and 10 seconds longer; after a gap each waiting job is read again (J4).
 * For callers that need a result. To show progress to many viewers, follow EventLog.
 */
import { Context, Deferred, Duration, Effect, Layer, RcRef, Schema } from "effect"
import type { Scope } from "effect"
import { EventLog } from "./EventLog.ts"
import { isTerminal } from "./JobEvent.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { isOver } from "./Job.ts"
import type { Job, JobId, JobUnreadable } from "./Job.ts"
import { JobStore } from "./JobStore.ts"

/** The job is still open at the deadline and goes on. Waiting again is safe. */
export class JobStillOpen extends Schema.TaggedError<JobStillOpen>()("JobStillOpen", {
  id: Schema.String,
  /** Percent. */
  progress: Schema.Int
}) {
  override get message() {
    return `job ${this.id} is not over yet (${this.progress} %)`
  }
}
/** There is no such job: it never existed, or it has expired. */
export class JobMissing extends Schema.TaggedError<JobMissing>()("JobMissing", { id: Schema.String }) {
  override get message() {
    return `there is no job ${this.id}`
  }
}

export class JobEnds extends Context.Service<
  JobEnds,
  {
    /**
     * Returns the job when it is done, failed or cancelled; at the deadline the job is read once more.
     * JobStillOpen, RedisUnavailable: the job is unchanged and goes on; an interrupted wait leaves nothing behind.
     */
    readonly wait: (
      id: JobId,
      options: { readonly deadline: Duration.Input }
    ) => Effect.Effect<Job, JobStillOpen | JobMissing | JobUnreadable | RedisError>
  }
>()("@eco2/core/job/JobEnds") {}

/** How long the tail stays open without waiters, for callers that wait for one job after another. */
const idle = "10 seconds"

export const layer: Layer.Layer<JobEnds, never, EventLog | JobStore | Keyspace> = Layer.effect(
  JobEnds,
  Effect.gen(function* () {
    const log = yield* EventLog
    const store = yield* JobStore
    const keyspace = yield* Keyspace
    const waiting = new Map<string, Set<Deferred.Deferred<void>>>()
    const wake = (id: string) => {
      for (const waiter of waiting.get(id) ?? []) Deferred.doneUnsafe(waiter, Effect.void)
    }
    const tail = yield* RcRef.make({
      acquire: log.tail({
        events: (id, events) => {
          if (waiting.has(id) && events.some(isTerminal)) wake(id)
        },
        gap: (partitions) => {
          for (const id of waiting.keys()) if (partitions.includes(keyspace.of(id as JobId))) wake(id)
        },
        answered: () => {}
      }),
      idleTimeToLive: idle
    })

    const look = Effect.fnUntraced(function* (id: JobId) {
      const job = yield* store.get(id)
      return job === null ? yield* new JobMissing({ id }) : job
    })
    /** A Deferred that completes when the job may have ended; registered until the scope closes. */
    const sign = (id: JobId): Effect.Effect<Deferred.Deferred<void>, never, Scope.Scope> =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const waiter = Deferred.makeUnsafe<void>()
          waiting.set(id, (waiting.get(id) ?? new Set()).add(waiter))
          return waiter
        }),
        (waiter) =>
          Effect.sync(() => {
            const others = waiting.get(id)
            others?.delete(waiter)
            if (others?.size === 0) waiting.delete(id)
          })
      )
    const follow = (id: JobId): Effect.Effect<Job, JobMissing | JobUnreadable | RedisError> =>
      Effect.gen(function* () {
        // register before reading the job, so that its end cannot fall between the two
        yield* RcRef.get(tail)
        const waiter = yield* sign(id)
        const job = yield* look(id)
        if (isOver(job.state)) return job
        yield* Deferred.await(waiter)
        return null
      }).pipe(
        Effect.scoped,
        Effect.flatMap((job) => (job === null ? follow(id) : Effect.succeed(job)))
      )

    return JobEnds.of({
      wait: Effect.fn("JobEnds.wait")(function* (id, { deadline }) {
        const seen = yield* look(id)
        if (isOver(seen.state)) return seen
        return yield* Effect.timeoutOrElse(follow(id), {
          duration: deadline,
          orElse: () =>
            Effect.flatMap(look(id), (job) =>
              isOver(job.state) ? Effect.succeed(job) : Effect.fail(new JobStillOpen({ id, progress: job.progress }))
            )
        })
      })
    })
  })
)
