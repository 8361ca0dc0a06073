/**
 * Viewer: one open stream. It follows live events first, then reads the history after the last seq seen, then joins the two by
 * seq: duplicates are dropped, gaps are filled from the history (J4). The terminal event carries the job's result, which is
 * stored before the event is visible (J5), and ends the stream.
 * After a failover Redis may have lost events that a viewer has seen, and later events then reuse their seqs. Such a viewer
 * continues from the current end of the history, and receives the terminal event whatever its seq is. If Redis has lost the job
 * itself, the stream ends with `failed`, code JOB_LOST.
 * `completed` of vision and rule carry what the stage found. Beside the history a viewer gets the text that the running stage has
 * written so far (PartialText): what there is in one piece, then what is added; a text begun anew is told by `restarted`. It ends
 * with the stage's commit.
 */
import { ScanResult } from "@eco2/actors/protocol"
import { EventLog, JobEvent, JobStore, PartialText } from "@eco2/core/client"
import type { Job, RedisError } from "@eco2/core/client"
import { Cause, Clock, Effect, Queue, Stream } from "effect"
import * as ResultView from "../http/ResultView.ts"
import type { RunningText, Signal, Subscription } from "./EventRouter.ts"

/** An event on the wire; JSON has no line breaks, so `data` is one line. */
const frame = (event: string, id: number | null, data: unknown): string =>
  `${id === null ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

const withCode = (result: unknown): unknown =>
  typeof result === "object" && result !== null && "code" in result && typeof result.code === "string"
    ? { ...result, code: ScanResult.errorCode(result.code) }
    : result

/** Whether the event carries a part of the job, which has to be read. */
const needsJob = (event: JobEvent.JobEvent): boolean =>
  JobEvent.isTerminal(event) || (event.status === "completed" && ScanResult.shownEarly.has(event.stage))

const eventFrame = (jobId: string, event: JobEvent.JobEvent, result: unknown): string =>
  frame(event.stage, event.seq, {
    job_id: jobId,
    stage: event.stage,
    status: event.status,
    seq: event.seq,
    ts: event.ts,
    progress: event.progress,
    result
  })

/** Text of a running stage: no id and no seq, because it is no part of the history. */
const textFrame = (
  jobId: string,
  { attempt, progress, stage, ts }: RunningText,
  status: "delta" | "restarted",
  offset: number,
  text: string
): string => frame(stage, null, { job_id: jobId, stage, status, ts, progress, result: { attempt, offset, text } })

const encoder = new TextEncoder()

/** The first bytes: they flush the headers and set the browser's reconnect delay. */
const hello = encoder.encode("retry: 1000\n\n")

/** The start for a viewer without Last-Event-ID: the latest run's `queued`. */
export const latestRun = (events: ReadonlyArray<JobEvent.JobEvent>): number =>
  Math.max(0, (events.findLast((event) => event.stage === "queued")?.seq ?? 1) - 1)

/**
 * The bytes of one job's stream. `after`: the last seq that the viewer has seen, null for none. `subscription`: of the same
 * job, made before, so that no event falls between history and tail. `watch`: the stage
 * the job is at, and how long the stream may be open; null: the job is over.
 * Ends after the terminal event, at the time limit, or if the viewer cannot keep up. All signals that wait leave in one write.
 */
export type View = (
  jobId: Job.JobId,
  after: number | null,
  subscription: Subscription,
  watch: { readonly stage: string; readonly millis: number } | null
) => Stream.Stream<Uint8Array>

export const make: Effect.Effect<
  View,
  never,
  EventLog.EventLog | JobStore.JobStore | PartialText.PartialText | ResultView.ResultView
> = Effect.gen(function* () {
  const log = yield* EventLog.EventLog
  const store = yield* JobStore.JobStore
  const results = yield* ResultView.ResultView
  const partials = yield* PartialText.PartialText
  const clock = yield* Clock.Clock
  return (jobId, after, subscription, watch) =>
    Stream.suspend(() => {
      const keepalive = () => frame("keepalive", null, { timestamp: clock.currentTimeMillisUnsafe() / 1000 })
      let last = after
      let highest = after ?? 0
      let progress = 0
      let ended = false
      /** Of the running stage's text: which one, and how much of it this viewer has. */
      let shown = { order: 0, length: 0 }
      /** Stages whose end was told; their text is told no more, though it is still stored. A redrive repeats none of them. */
      const completed = new Set<string>()

      const readJob = store
        .get(jobId)
        .pipe(
          Effect.catchTag("JobUnreadable", ({ id, reason }) =>
            Effect.logError("job is unreadable").pipe(Effect.annotateLogs({ job_id: id, reason }), Effect.as(null))
          )
        )
      const resultOf = Effect.flatMap(readJob, (job) => (job === null ? Effect.succeed(null) : results.ofJob(job)))
      /** The job as last read, for the outputs of stages that it had then. */
      let known: Job.Job | null = null
      const foundBy = Effect.fnUntraced(function* (stage: string) {
        // a run that is redriven keeps its outputs, so what was read before is right
        if (known?.outputs.has(stage) !== true) known = yield* readJob
        return known === null ? null : yield* ScanResult.ofStage(known, stage)
      })

      const told = (event: JobEvent.JobEvent, result: unknown): string => {
        last = event.seq
        highest = Math.max(highest, event.seq)
        progress = event.progress
        if (event.status === "completed") completed.add(event.stage)
        subscription.seen(event.seq)
        ended = JobEvent.isTerminal(event)
        return eventFrame(jobId, event, result)
      }
      const tell = (event: JobEvent.JobEvent): Effect.Effect<string, RedisError.RedisError> => {
        if (!needsJob(event)) return Effect.succeed(told(event, withCode(event.result)))
        const found: Effect.Effect<unknown, RedisError.RedisError> = JobEvent.isTerminal(event)
          ? resultOf
          : foundBy(event.stage)
        return Effect.map(found, (result) => told(event, result))
      }
      /** What a signal tells for which nothing has to be read: the usual case, without an effect; null: see `handle`. */
      const tellAtOnce = (signal: Signal): string | null => {
        if (signal._tag === "Keepalive") return keepalive()
        if (signal._tag !== "Events") return null
        let next = last ?? 0
        for (const event of signal.events) if (event.seq !== ++next || needsJob(event)) return null
        let text = ""
        for (const event of signal.events) text += told(event, withCode(event.result))
        return text
      }

      /** Redis may be full: then the history is still read, and the text comes with the commit. */
      const watching = (millis: number) =>
        partials
          .watch(jobId, millis)
          .pipe(
            Effect.catch((error) =>
              Effect.logWarning("the text of running stages is not shown").pipe(
                Effect.annotateLogs({ job_id: jobId, error: error.message })
              )
            )
          )
      /** Redis has lost the job, or a part of it: its stages run again, and the job has to be marked as watched again. */
      const beginAnew = Effect.suspend(() => {
        completed.clear()
        known = null
        shown = { order: 0, length: shown.length }
        return watch === null ? Effect.void : watching(watch.millis)
      })
      const catchUp = Effect.fnUntraced(function* (): Effect.fn.Return<string, RedisError.RedisError> {
        // starts at the last event seen: if that is gone, Redis has lost it
        let events = yield* log.history(jobId, Math.max(0, (last ?? 0) - 1))
        if (last === null) last = latestRun(events)
        if (events.length === 0 && last > 0) {
          events = yield* log.history(jobId, 0)
          last = events.at(-1)?.seq ?? 0
          yield* beginAnew
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

      /** What was added since this viewer last looked; the whole when it joins late. */
      const tellText = Effect.fnUntraced(function* (): Effect.fn.Return<string, RedisError.RedisError> {
        subscription.heard()
        if (subscription.partial()?.text === null) {
          const read = yield* partials.read(jobId)
          if (read !== null) subscription.knows(read)
        }
        const now = subscription.partial()
        if (now === null || now.text === null || completed.has(now.stage) || now.order < shown.order) return ""
        let text = ""
        if (now.order > shown.order) {
          if (shown.length > 0) text += textFrame(jobId, now, "restarted", 0, "")
          shown = { order: now.order, length: 0 }
        }
        if (now.text.length > shown.length) {
          text += textFrame(jobId, now, "delta", shown.length, now.text.slice(shown.length))
          shown.length = now.text.length
        }
        return text
      })

      /** Says that somebody watches, and reads what the running stage has written before. */
      const join =
        watch === null
          ? Effect.succeed(null)
          : Effect.map(Effect.all([partials.read(jobId), watching(watch.millis)], { concurrency: 2 }), ([read]) =>
              read?.stage === watch.stage ? read : null
            )
      const begin = Effect.gen(function* () {
        const [text, read] = yield* Effect.all([catchUp(), join], { concurrency: 2 })
        if (read === null || ended) return text
        subscription.knows(read)
        return text + (yield* tellText())
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
          case "Text":
            return yield* tellText()
          case "Recheck":
            return yield* catchUp()
          case "Lost": {
            // it may have come back since
            const text = yield* catchUp()
            return ended || (yield* log.length(jobId)) !== null ? text : text + lost()
          }
          case "Keepalive":
            return keepalive()
          case "Timeout":
            ended = true
            return frame("error", null, {
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

      /** Redis is down: the stream ends, and the browser reconnects with its last id. */
      const broken = (error: RedisError.RedisError) =>
        Effect.logWarning("stream ended: no answer from Redis").pipe(
          Effect.annotateLogs({ job_id: jobId, error: error.message }),
          Effect.andThen(
            Effect.sync(() => {
              ended = true
              return ""
            })
          )
        )

      let greeted = false
      let joined = false
      const next = Effect.fnUntraced(function* (): Effect.fn.Return<readonly [Uint8Array], Cause.Done> {
        if (!greeted) {
          greeted = true
          return [hello]
        }
        let text = ""
        if (!joined) {
          joined = true
          text = yield* Effect.catch(begin, broken)
        }
        while (text === "" && !ended) {
          for (const signal of yield* Queue.takeAll(subscription.signals)) {
            if (!ended) text += tellAtOnce(signal) ?? (yield* Effect.catch(handle(signal), broken))
          }
        }
        return text === "" ? yield* Cause.done() : [encoder.encode(text)]
      })
      return Stream.fromPull(Effect.succeed(Effect.suspend(next)))
    })
})
