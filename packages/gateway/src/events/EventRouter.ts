/**
 * EventRouter: fans the partitions' event tails out to the viewers of this process. Every gateway reads every partition once,
 * however many viewers it has; gateways do not compete for events.
 * What waits for a viewer is bounded (Signals): a viewer that does not keep up is disconnected, and its browser resumes by
 * Last-Event-ID. One timer serves all viewers' keepalives and time limits, and looks at those that are due alone. Loss checks ask
 * Redis, for many viewers together, so they are a loop of their own: Redis being down delays no keepalive. A viewer whose job is missing from
 * Redis is told `Lost` once the job has stayed away for five seconds: whoever accepted it hands it in again meanwhile
 * (RecentSubmits). Viewer joins history and tail for one viewer (J4).
 * What a running stage writes is kept once a job, however many viewers it has, and dropped at the stage's commit.
 */
import { DueHeap, Elapsed, EventLog } from "@eco2/core/client"
import type { Job, PartialText, RedisError } from "@eco2/core/client"
import { Keyspace } from "@eco2/core/redis"
import { Readiness, Supervisor } from "@eco2/core/telemetry"
import { Clock, Context, Duration, Effect, Layer, Metric } from "effect"
import type { Caller } from "../auth/Authentication.ts"
import type { GatewayConfig } from "../GatewayConfig.ts"
import { viewersWithin } from "./OpenFiles.ts"
import { ReusedSeqs } from "./ReusedSeqs.ts"
import { Signals } from "./Signals.ts"
import type { Signal } from "./Signals.ts"

export interface Subscription {
  /** What the router tells the viewer; the viewer reads the history itself. */
  readonly signals: Signals
  /** Reports the last seq that this viewer has sent, so that the router can tell silence from loss. */
  readonly seen: (seq: number) => void
  /**
   * What the job's running stage has written so far; null: nothing is known. `text` null: only a later part is known, and the whole
   * must be read (`knows`). Shared by the job's viewers.
   */
  readonly partial: () => RunningText | null
  /** Makes known what was read. */
  readonly knows: (read: PartialText.Partial) => void
  /** The viewer has taken note of the text so far. */
  readonly heard: () => void
}

/** The text of a running stage. */
export interface RunningText {
  readonly stage: string
  readonly order: number
  readonly attempt: number
  readonly text: string | null
  readonly ts: number
  readonly progress: number
}

export interface Place {
  readonly subscription: Subscription
  readonly leave: () => void
}

export class EventRouter extends Context.Service<
  EventRouter,
  {
    /**
     * Subscribes to one job; the signals end if the viewer cannot keep up or is no longer allowed in. `full` if MAX_VIEWERS
     * streams are open, `user-full` if USER_VIEWERS of this user are. Check and count are one step, so that many simultaneous
     * viewers cannot exceed the limit. `leave` must run when the viewer goes.
     */
    readonly subscribe: (jobId: Job.JobId, caller: Caller["Service"]) => Place | "full" | "user-full"
    readonly viewers: () => number
    /** Ends all streams, and those that are still to come: the process stops. */
    readonly close: () => void
    /** Whether a client that has seen an event with the seq of the job's end may have seen another, and is told the end. */
    readonly tellAgain: ReusedSeqs["tellAgain"]
  }
>()("@eco2/gateway/events/EventRouter") {}

/** Streams open in this gateway process. */
const viewersGauge = Metric.gauge("eco2_viewers", { description: "streams open in this process" })
/** Seconds between an event's commit and when its viewers are told. */
const eventLag = Metric.histogram("eco2_event_lag_seconds", {
  description: "seconds from an event's commit until its viewers are told",
  boundaries: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]
})

/** Jobs whose open streams this process ended because Redis has lost the job. Alert on any. */
const viewedJobsLost = Metric.counter("eco2_viewed_jobs_lost_total", {
  incremental: true,
  description: "jobs that Redis has lost while their streams were open here"
})

const tickMillis = 250
/** The tail's read blocks for up to 20 s, so a longer silence is an error. */
const deafAfterMillis = 30_000
/** A job that Redis does not have for this long is lost; jobs that are handed in again come back sooner. */
const lostAfterMillis = 5_000
/** How often a missing job is looked for. */
const lookAgainMillis = 500
/** Ids in one line of the log, at most. */
const mostNamed = 50

interface Viewer {
  readonly jobId: Job.JobId
  readonly signals: Signals
  seq: number
  heardAt: number
  /** Whether a Text signal waits. */
  hasText: boolean
  /** Since when Redis has had no such job; null: it has, or was not asked. */
  missingSince: number | null
  readonly endsAt: number
}

export const layer = (
  config: GatewayConfig
): Layer.Layer<EventRouter, RedisError.RedisError, EventLog.EventLog | Keyspace | Readiness> =>
  Layer.effect(
    EventRouter,
    Effect.gen(function* () {
      const log = yield* EventLog.EventLog
      const keyspace = yield* Keyspace
      const readiness = yield* Readiness
      const clock = yield* Clock.Clock
      const maxViewers = yield* viewersWithin(config.maxViewers)
      const now = yield* Elapsed.clock
      const viewTimeout = Duration.toMillis(config.viewTimeout)
      const keepalive = Duration.toMillis(config.keepalive)
      const byJob = new Map<string, Set<Viewer>>()
      const reusedSeqs = new ReusedSeqs()
      const byUser = new Map<string, number>()
      /** Text of running stages, of jobs that have viewers here. */
      const texts = new Map<string, RunningText>()
      /** Viewers due for a check, and those whose job was missing. Sets, so that they never exceed the number of viewers. */
      const toCheck = new Set<Viewer>()
      /** Viewers by when they are looked at next: when they may need a keepalive, or their time is over. */
      const due = DueHeap.make<Viewer>()
      const missing = new Set<Viewer>()
      let count = 0
      let closed = false
      let answeredAt = now()

      const nextLook = ({ endsAt, heardAt }: Viewer) => Math.min(heardAt + keepalive, endsAt)
      const everyone = function* (): Generator<Viewer> {
        for (const viewers of byJob.values()) yield* viewers
      }

      const context = yield* Effect.context<never>()
      const tail = yield* log.tail({
        events: (jobId, events) => {
          reusedSeqs.heard(jobId, events)
          const viewers = byJob.get(jobId)
          if (viewers === undefined) return
          // the stage's commit, or its end by another way, supersedes what it wrote
          const text = texts.get(jobId)
          if (
            text !== undefined &&
            events.some(({ stage, status }) => stage === text.stage && status === "completed")
          ) {
            texts.delete(jobId)
          }
          const last = events.at(-1)
          if (last !== undefined) {
            eventLag.updateUnsafe(Math.max(0, clock.currentTimeMillisUnsafe() / 1000 - last.ts), context)
          }
          const signal: Signal = { _tag: "Events", events }
          const at = now()
          for (const viewer of viewers) {
            viewer.heardAt = at
            viewer.signals.add(signal)
          }
        },
        added: (jobId, { attempt, offset, order, progress, stage, text, ts }) => {
          const viewers = byJob.get(jobId)
          if (viewers === undefined) return
          const known = texts.get(jobId)
          if (known !== undefined && known.order > order) return
          const before = known?.order === order ? known.text : offset === 0 ? "" : null
          // a part that overlaps what is known was read from the store already
          const whole = before === null || offset > before.length ? null : before + text.slice(before.length - offset)
          texts.set(jobId, { stage, order, attempt, text: whole, ts, progress })
          for (const viewer of viewers) {
            if (viewer.hasText) continue
            viewer.hasText = true
            viewer.signals.add({ _tag: "Text" })
          }
        },
        gap: (partitions) => {
          for (const viewer of everyone()) {
            if (!partitions.includes(keyspace.of(viewer.jobId))) continue
            // Redis may have lost the job; then its stages write another text
            texts.delete(viewer.jobId)
            viewer.signals.add({ _tag: "Recheck" })
            toCheck.add(viewer)
          }
        },
        answered: () => {
          answeredAt = now()
        }
      })
      const trouble = () => {
        const age = now() - answeredAt
        return age > deafAfterMillis ? `no event read answered for ${Math.round(age / 1000)} s` : null
      }
      yield* readiness.register("events", () => tail.trouble() ?? trouble(), tail.failed)

      /**
       * Compares the history's length with what the viewer has seen: it may be longer, or shorter if Redis lost events. A waiting
       * job has sent its viewers `queued` and has no history yet. The lengths of a partition's viewers are requested together.
       * Returns the viewers of partitions that did not answer.
       */
      const check = (viewers: Iterable<Viewer>): Effect.Effect<ReadonlyArray<Viewer>> =>
        Effect.forEach(
          Map.groupBy(viewers, ({ jobId }) => keyspace.of(jobId)).values(),
          (together) =>
            log.lengths(together.map(({ jobId }) => jobId)).pipe(
              Effect.map((lengths) => {
                for (const [i, viewer] of together.entries()) compare(viewer, lengths[i] ?? null)
                return []
              }),
              Effect.orElseSucceed(() => together)
            ),
          { concurrency: 8 }
        ).pipe(Effect.map((unanswered) => unanswered.flat()))
      const compare = (viewer: Viewer, length: number | null) => {
        if (byJob.get(viewer.jobId)?.has(viewer) !== true) return // it has left meanwhile
        if (length === null) {
          viewer.missingSince ??= now()
          missing.add(viewer)
          return
        }
        viewer.missingSince = null
        if (length !== viewer.seq && !(length === 0 && viewer.seq === 1)) viewer.signals.add({ _tag: "Recheck" })
      }
      /** Looks once more for jobs that were missing; those that stay away are lost. */
      const lookForMissing = Effect.gen(function* () {
        const viewers = [...missing]
        missing.clear()
        const unanswered = yield* check(viewers)
        const gone = [...missing].filter(
          ({ missingSince }) => missingSince !== null && now() - missingSince >= lostAfterMillis
        )
        // Redis, or a part of it, is down: they are looked for again
        for (const viewer of unanswered) missing.add(viewer)
        if (gone.length === 0) return
        for (const viewer of gone) {
          missing.delete(viewer)
          viewer.signals.add({ _tag: "Lost" })
        }
        const ids = [...new Set(gone.map(({ jobId }) => jobId))]
        yield* Metric.update(viewedJobsLost, ids.length)
        yield* Effect.logError("redis has lost jobs whose streams are open; the streams end").pipe(
          Effect.annotateLogs({ jobs: ids.length, job_ids: ids.slice(0, mostNamed) })
        )
      })
      const checking = Effect.gen(function* () {
        let lookedAt = now()
        while (true) {
          yield* Effect.sleep(Math.min(tickMillis, keepalive))
          const viewers = [...toCheck]
          toCheck.clear()
          // Redis is down: when the tail reconnects, every viewer is rechecked
          yield* check(viewers)
          if (missing.size === 0 || now() - lookedAt < lookAgainMillis) continue
          yield* lookForMissing
          lookedAt = now()
        }
      })
      const tick = Effect.sync(() => {
        const at = now()
        const told: Array<readonly [Viewer, Signal]> = []
        for (const viewer of due.take(at)) {
          if (at >= viewer.endsAt) {
            told.push([viewer, { _tag: "Timeout" }])
            continue
          }
          if (at - viewer.heardAt >= keepalive) {
            viewer.heardAt = at
            told.push([viewer, { _tag: "Keepalive" }])
            toCheck.add(viewer)
          }
          due.set(viewer, nextLook(viewer))
        }
        // all that go on stand in the heap again, whatever comes of telling one of them
        for (const [viewer, signal] of told) viewer.signals.add(signal)
      })
      const supervisor = Supervisor.make()
      const ticking = Effect.forever(Effect.andThen(Effect.sleep(Math.min(tickMillis, keepalive)), tick))
      yield* supervisor.supervise("keepalives", ticking)
      yield* supervisor.supervise("loss checks", checking)
      yield* readiness.register("keepalives", supervisor.trouble, supervisor.failed)

      return EventRouter.of({
        subscribe: (jobId, { user, whenWithdrawn }) => {
          if (count >= maxViewers) return "full"
          const ofUser = byUser.get(user) ?? 0
          if (ofUser >= config.userViewers) return "user-full"
          byUser.set(user, ofUser + 1)
          const viewer: Viewer = {
            jobId,
            signals: new Signals(),
            seq: 0,
            heardAt: now(),
            hasText: false,
            missingSince: null,
            endsAt: now() + viewTimeout
          }
          const stopListening = whenWithdrawn(() => viewer.signals.end())
          const viewers = byJob.get(jobId) ?? new Set()
          viewers.add(viewer)
          byJob.set(jobId, viewers)
          due.set(viewer, nextLook(viewer))
          viewersGauge.updateUnsafe(++count, context)
          if (closed) viewer.signals.end()
          let gone = false
          return {
            subscription: {
              signals: viewer.signals,
              seen: (seq) => {
                viewer.seq = seq
              },
              partial: () => texts.get(jobId) ?? null,
              knows: ({ attempt, order, stage, text }) => {
                const known = texts.get(jobId)
                if (known !== undefined && known.order > order) return
                if (known?.order === order && known.text !== null && known.text.length >= text.length) return
                const { progress = 0, ts = clock.currentTimeMillisUnsafe() / 1000 } = known ?? {}
                texts.set(jobId, { stage, order, attempt, text, ts, progress })
              },
              heard: () => {
                viewer.hasText = false
              }
            },
            leave: () => {
              if (gone) return
              gone = true
              viewers.delete(viewer)
              stopListening()
              due.delete(viewer)
              toCheck.delete(viewer)
              missing.delete(viewer)
              const left = (byUser.get(user) ?? 1) - 1
              if (left === 0) byUser.delete(user)
              else byUser.set(user, left)
              if (viewers.size === 0) {
                byJob.delete(jobId)
                texts.delete(jobId)
              }
              viewersGauge.updateUnsafe(--count, context)
              viewer.signals.end()
            }
          }
        },
        viewers: () => count,
        close: () => {
          closed = true
          for (const { signals } of everyone()) signals.end()
        },
        tellAgain: (jobId, seq) => reusedSeqs.tellAgain(jobId, seq)
      })
    })
  )
