/**
 * Viewer: one open stream. It follows live events first, then reads the history after the last seq seen, then joins the two by
 * seq: duplicates are dropped, gaps are filled from the history (J4). The terminal event carries the job's result, which is
 * stored before the event is visible (J5), and ends the stream.
 * After a failover Redis may have lost events that a viewer has seen, and later events then reuse their seqs. Such a viewer
 * continues from the current end of the history, and receives the terminal event whatever its seq is. If Redis has lost the job
 * itself, the stream ends with `failed`, code JOB_LOST.
 */
import { ScanResult } from "@eco2/actors/protocol"
import { EventLog, JobEvent, JobStore } from "@eco2/core/client"
import type { Job, RedisError } from "@eco2/core/client"
import { Clock, Effect, Stream } from "effect"
import { Sse } from "effect/encoding"
import type { Signal, Subscription } from "./EventRouter.ts"

const frame = (event: string, id: string | undefined, data: unknown): string =>
  Sse.encoder.write({ _tag: "Event", event, id, data: JSON.stringify(data) })

const withCode = (result: unknown): unknown =>
  typeof result === "object" && result !== null && "code" in result && typeof result.code === "string"
    ? { ...result, code: ScanResult.errorCode(result.code) }
    : result

const eventFrame = (jobId: string, event: JobEvent.JobEvent, result: unknown): string =>
  frame(event.stage, String(event.seq), {
    job_id: jobId,
    stage: event.stage,
    status: event.status,
    seq: event.seq,
    ts: event.ts,
    progress: event.progress,
    result
  })

/** The first bytes: they flush the headers and set the browser's reconnect delay. */
const hello = "retry: 1000\n\n"

/** The start for a viewer without Last-Event-ID: the latest run's `queued`. */
export const latestRun = (events: ReadonlyArray<JobEvent.JobEvent>): number =>
  Math.max(0, (events.findLast((event) => event.stage === "queued")?.seq ?? 1) - 1)

/**
 * The text of one job's stream. `after`: the last seq that the viewer has seen, null for none. `subscription`: of the same
 * job, made before, so that no event falls between history and tail.
 * Ends after the terminal event, at the time limit, or if the viewer cannot keep up.
 */
export const stream = (
  jobId: Job.JobId,
  after: number | null,
  subscription: Subscription
): Stream.Stream<string, never, EventLog.EventLog | JobStore.JobStore> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const log = yield* EventLog.EventLog
      const store = yield* JobStore.JobStore
      const clock = yield* Clock.Clock
      let last = after
      let highest = after ?? 0
      let progress = 0
      let ended = false

      const resultOf = store.get(jobId).pipe(
        Effect.flatMap((job) => (job === null ? Effect.succeed(null) : ScanResult.ofJob(job))),
        Effect.catchTag("JobUnreadable", ({ id, reason }) =>
          Effect.logError("job is unreadable").pipe(Effect.annotateLogs({ job_id: id, reason }), Effect.as(null))
        )
      )

      const tell = Effect.fnUntraced(function* (
        event: JobEvent.JobEvent
      ): Effect.fn.Return<string, RedisError.RedisError> {
        const terminal = JobEvent.isTerminal(event)
        const text = eventFrame(jobId, event, terminal ? yield* resultOf : withCode(event.result))
        last = event.seq
        highest = Math.max(highest, event.seq)
        progress = event.progress
        subscription.seen(event.seq)
        ended = terminal
        return text
      })

      const catchUp = Effect.fnUntraced(function* (): Effect.fn.Return<string, RedisError.RedisError> {
        // starts at the last event seen: if that is gone, Redis has lost it
        let events = yield* log.history(jobId, Math.max(0, (last ?? 0) - 1))
        if (last === null) last = latestRun(events)
        if (events.length === 0 && last > 0) {
          events = yield* log.history(jobId, 0)
          last = events.at(-1)?.seq ?? 0
        }
        const end = events.at(-1)
        if (end !== undefined && end.seq <= last && JobEvent.isTerminal(end)) return yield* tell(end)
        // an operator has opened another run since: the earlier run's end is no longer the end
        last = Math.max(last, latestRun(events))
        let text = ""
        for (const event of events) {
          if (event.seq > last && !ended) text += yield* tell(event)
        }
        subscription.seen(last)
        return text
      })

      /** The end of a job that Redis no longer has. A client that comes back finds no job (404). */
      const lost = (): string => {
        ended = true
        const seq = highest + 1
        const ts = clock.currentTimeMillisUnsafe() / 1000
        const result = ScanResult.ofLost(jobId)
        return eventFrame(jobId, { seq, ts, progress, stage: "failed", status: "failed", result }, result)
      }

      const handle = Effect.fnUntraced(function* (signal: Signal): Effect.fn.Return<string, RedisError.RedisError> {
        switch (signal._tag) {
          case "Recheck":
            return yield* catchUp()
          case "Lost": {
            // it may have come back since
            const text = yield* catchUp()
            return ended || (yield* log.length(jobId)) !== null ? text : text + lost()
          }
          case "Keepalive":
            return frame("keepalive", undefined, { timestamp: clock.currentTimeMillisUnsafe() / 1000 })
          case "Timeout":
            ended = true
            return frame("error", undefined, {
              type: "error",
              error: "timeout",
              job_id: jobId,
              message: "the time limit of this stream is reached; reconnect to continue"
            })
          case "Events": {
            let text = ""
            for (const event of signal.events) {
              if (ended) continue
              const next = (last ?? 0) + 1
              if (event.seq === next) text += yield* tell(event)
              // a terminal event with a seq already seen: of an earlier run, or of this one after a loss; the history decides
              else if (event.seq > next || JobEvent.isTerminal(event)) text += yield* catchUp()
            }
            return text
          }
        }
      })

      return Stream.concat(
        Stream.make(hello),
        Stream.concat(Stream.make<[Signal]>({ _tag: "Recheck" }), Stream.fromQueue(subscription.signals)).pipe(
          Stream.mapEffect((signal) => handle(signal)),
          Stream.takeUntil(() => ended),
          Stream.filter((text) => text !== ""),
          // Redis is down: the stream ends, and the browser reconnects with its last id
          Stream.catch((error) =>
            Stream.fromEffect(
              Effect.logWarning("stream ended: no answer from Redis").pipe(
                Effect.annotateLogs({ job_id: jobId, error: error.message })
              )
            ).pipe(Stream.drain)
          )
        )
      )
    })
  )
