/**
 * Viewer: one open stream. It is an object that the router calls at each signal, and that writes to the response at once; what has
 * to be read is an effect, and signals wait meanwhile, as they do while the client takes nothing.
 * It follows live events first, then reads the history after the last seq seen, then joins the two by seq: duplicates are
 * dropped, gaps are filled from the history (J4). The terminal event carries the job's result, which is stored before the event
 * is visible (J5), and ends the stream.
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
import { Cause, Clock, Context, Effect, Fiber, Stream } from "effect"
import * as ResultView from "../http/ResultView.ts"
import type { RunningText, Subscription } from "./EventRouter.ts"
import type { Signal } from "./Signals.ts"

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

/** What is written to directly: a part of Node's ServerResponse. */
export interface Outlet {
  readonly destroyed: boolean
  /** False: it holds more than it should; wait for `drain`. */
  readonly write: (text: string) => boolean
  readonly once: (event: "drain", listener: () => void) => unknown
}

/**
 * The bytes of one job's stream. `after`: the last seq that the viewer has seen, null for none. `subscription`: of the same
 * job, made before, so that no event falls between history and tail. `watch`: the stage the job is at, and how long the stream
 * may be open; null: the job is over. `outlet`: where the stream's bytes go; all but the
 * first are written to it directly, because waking a fiber for each event costs more than the event.
 * Ends after the terminal event, at the time limit, or if the viewer cannot keep up. All signals that wait leave in one write.
 */
export type View = (
  jobId: Job.JobId,
  after: number | null,
  subscription: Subscription,
  watch: Watch | null,
  outlet: Outlet
) => Stream.Stream<Uint8Array>

interface Watch {
  readonly stage: string
  readonly millis: number
}

/** What all streams share. */
interface Services {
  readonly log: EventLog.EventLog["Service"]
  readonly store: JobStore.JobStore["Service"]
  readonly results: ResultView.ResultView["Service"]
  readonly partials: PartialText.PartialText["Service"]
  readonly clock: Clock.Clock
}

export const make: Effect.Effect<
  View,
  never,
  EventLog.EventLog | JobStore.JobStore | PartialText.PartialText | ResultView.ResultView
> = Effect.gen(function* () {
  const services: Services = {
    log: yield* EventLog.EventLog,
    store: yield* JobStore.JobStore,
    results: yield* ResultView.ResultView,
    partials: yield* PartialText.PartialText,
    clock: yield* Clock.Clock
  }
  return (jobId, after, subscription, watch, outlet) =>
    Stream.suspend(() => {
      const viewer = new Viewer(services, jobId, after, subscription, watch, outlet)
      let greeted = false
      return Stream.fromPull(
        Effect.succeed(
          Effect.suspend((): Effect.Effect<readonly [Uint8Array], Cause.Done> => {
            if (greeted) return viewer.follow
            greeted = true
            return Effect.succeed([hello])
          })
        )
      )
    })
})

class Viewer {
  readonly #services: Services
  readonly #jobId: Job.JobId
  readonly #subscription: Subscription
  readonly #watch: Watch | null
  readonly #outlet: Outlet
  /** The last seq told; null: the history was not read yet. */
  #last: number | null
  #highest: number
  #progress = 0
  /** What ends the stream was told. */
  #ended = false
  /** Of the running stage's text: which one, and how much of it this viewer has. */
  #shownOrder = 0
  #shownLength = 0
  /** Stages whose end was told; their text is told no more, though it is still stored. A redrive repeats none of them. */
  readonly #completed = new Set<string>()
  /** What has to be read is being read; signals wait meanwhile. */
  #reading: Fiber.Fiber<string> | null = null
  /** The client does not take what was written; signals wait meanwhile. */
  #isFull = false
  /** The response's, with its log annotations. */
  #context = Context.empty()
  /** Ends the stream; null: it is over. */
  #end: ((end: Effect.Effect<never, Cause.Done>) => void) | null = null

  constructor(
    services: Services,
    jobId: Job.JobId,
    after: number | null,
    subscription: Subscription,
    watch: Watch | null,
    outlet: Outlet
  ) {
    this.#services = services
    this.#jobId = jobId
    this.#last = after
    this.#highest = after ?? 0
    this.#subscription = subscription
    this.#watch = watch
    this.#outlet = outlet
  }

  /** Tells the history, then what the router signals; ends with the stream. An interrupt ends it: the client has left. */
  get follow(): Effect.Effect<never, Cause.Done> {
    return Effect.flatMap(Effect.context<never>(), (context) =>
      Effect.callback((resume) => {
        this.#context = context
        this.#end = resume
        this.#subscription.signals.onArrival(() => this.#goOn())
        this.#read(this.#begin())
        return Effect.suspend(() => {
          this.#end = null
          return this.#reading === null ? Effect.void : Fiber.interrupt(this.#reading)
        })
      })
    )
  }

  #finish(end: Effect.Effect<never, Cause.Done>): void {
    const resume = this.#end
    this.#end = null
    resume?.(end)
  }

  /**
   * Tells what was read, and all that waits, unless it has to wait longer. A bug in it ends this stream, and neither the router that
   * calls it nor the process.
   */
  #goOn(read = ""): void {
    try {
      this.#write(read)
      this.#tellWaiting()
    } catch (defect) {
      this.#finish(Effect.die(defect))
    }
  }

  #tellWaiting(): void {
    const { signals } = this.#subscription
    while (this.#end !== null && this.#reading === null && !this.#isFull) {
      const all = signals.take()
      if (all.length === 0) {
        if (signals.isOver) this.#finish(Cause.done())
        return
      }
      let text = ""
      for (let i = 0; i < all.length && !this.#ended; i++) {
        const told = this.#tellAtOnce(all[i]!)
        if (told === null) return this.#read(this.#tellAll(text, all.slice(i)))
        text += told
      }
      this.#write(text)
    }
  }

  #write(text: string): void {
    // the client has left, which the response's fiber is about to learn
    if (this.#outlet.destroyed) return
    if (text !== "" && !this.#outlet.write(text)) {
      this.#isFull = true
      this.#outlet.once("drain", () => {
        this.#isFull = false
        this.#goOn()
      })
    }
    // its place is given back once the client has taken the end
    if (this.#ended && !this.#isFull) this.#finish(Cause.done())
  }

  /** Tells what takes a read. */
  #read(reading: Effect.Effect<string, RedisError.RedisError>): void {
    const fiber = Effect.runForkWith(this.#context)(Effect.catch(reading, (error) => this.#broken(error)))
    this.#reading = fiber
    fiber.addObserver((exit) => {
      this.#reading = null
      if (this.#end === null) return
      if (exit._tag === "Failure") return this.#finish(Effect.failCause(exit.cause))
      this.#goOn(exit.value)
    })
  }

  #tellAll(before: string, signals: ReadonlyArray<Signal>): Effect.Effect<string, RedisError.RedisError> {
    return Effect.gen({ self: this }, function* () {
      let text = before
      for (const signal of signals) {
        if (this.#ended) break
        text += this.#tellAtOnce(signal) ?? (yield* Effect.catch(this.#tell(signal), (error) => this.#broken(error)))
      }
      return text
    })
  }

  /** What a signal tells for which nothing has to be read, as is usual; null: see `#tell`. */
  #tellAtOnce(signal: Signal): string | null {
    switch (signal._tag) {
      case "Keepalive":
        return frame("keepalive", null, { timestamp: this.#services.clock.currentTimeMillisUnsafe() / 1000 })
      case "Timeout":
        this.#ended = true
        return frame("error", null, {
          type: "error",
          error: "timeout",
          job_id: this.#jobId,
          message: "the time limit of this stream is reached; reconnect to continue"
        })
      case "Text":
        return this.#subscription.partial()?.text === null ? null : this.#newText()
      case "Events": {
        let next = this.#last ?? 0
        for (const event of signal.events) if (event.seq !== ++next || needsJob(event)) return null
        let text = ""
        for (const event of signal.events) text += this.#told(event, withCode(event.result))
        return text
      }
      default:
        return null
    }
  }

  #tell(signal: Signal): Effect.Effect<string, RedisError.RedisError> {
    return Effect.gen({ self: this }, function* () {
      switch (signal._tag) {
        case "Text": {
          const read = yield* this.#services.partials.read(this.#jobId)
          if (read !== null) this.#subscription.knows(read)
          return this.#newText()
        }
        case "Lost": {
          // it may have come back since
          const text = yield* this.#catchUp()
          return this.#ended || (yield* this.#services.log.length(this.#jobId)) !== null ? text : text + this.#lost()
        }
        case "Events": {
          let text = ""
          for (const event of signal.events) {
            if (this.#ended) break
            const next = (this.#last ?? 0) + 1
            if (event.seq === next) text += yield* this.#tellEvent(event)
            // a terminal event with a seq already seen: of an earlier run, or of this one after a loss; the history decides
            else if (event.seq > next || JobEvent.isTerminal(event)) text += yield* this.#catchUp()
          }
          return text
        }
        default:
          return yield* this.#catchUp()
      }
    })
  }

  #tellEvent(event: JobEvent.JobEvent): Effect.Effect<string, RedisError.RedisError> {
    if (!needsJob(event)) return Effect.succeed(this.#told(event, withCode(event.result)))
    const found: Effect.Effect<unknown, RedisError.RedisError> = JobEvent.isTerminal(event)
      ? this.#result()
      : Effect.map(this.#services.store.output(this.#jobId, event.stage), (stored) =>
          stored === null ? null : ScanResult.ofStage(event.stage, stored)
        )
    return Effect.map(found, (result) => this.#told(event, result))
  }
  #result(): Effect.Effect<unknown, RedisError.RedisError> {
    const { results, store } = this.#services
    return store.get(this.#jobId).pipe(
      Effect.catchTag("JobUnreadable", ({ id, reason }) =>
        Effect.logError("job is unreadable").pipe(Effect.annotateLogs({ job_id: id, reason }), Effect.as(null))
      ),
      Effect.flatMap((job) => (job === null ? Effect.succeed(null) : results.ofJob(job)))
    )
  }
  #told(event: JobEvent.JobEvent, result: unknown): string {
    this.#last = event.seq
    this.#highest = Math.max(this.#highest, event.seq)
    this.#progress = event.progress
    if (event.status === "completed") this.#completed.add(event.stage)
    this.#subscription.seen(event.seq)
    this.#ended = JobEvent.isTerminal(event)
    return eventFrame(this.#jobId, event, result)
  }

  /** Tells the history, and what the running stage has written before. */
  #begin(): Effect.Effect<string, RedisError.RedisError> {
    return Effect.gen({ self: this }, function* () {
      const [text, read] = yield* Effect.all([this.#catchUp(), this.#join()], { concurrency: 2 })
      if (read === null || this.#ended) return text
      this.#subscription.knows(read)
      return text + this.#newText()
    })
  }
  /** Says that somebody watches, and reads what the running stage has written. */
  #join(): Effect.Effect<PartialText.Partial | null, RedisError.RedisError> {
    const watch = this.#watch
    if (watch === null) return Effect.succeed(null)
    return Effect.map(
      Effect.all([this.#services.partials.read(this.#jobId), this.#watching(watch)], { concurrency: 2 }),
      ([read]) => (read?.stage === watch.stage ? read : null)
    )
  }
  /** Redis may be full: then the history is still read, and the text comes with the commit. */
  #watching({ millis }: Watch): Effect.Effect<void> {
    return this.#services.partials
      .watch(this.#jobId, millis)
      .pipe(
        Effect.catch((error) =>
          Effect.logWarning("the text of running stages is not shown").pipe(
            Effect.annotateLogs({ job_id: this.#jobId, error: error.message })
          )
        )
      )
  }
  /** Redis has lost the job, or a part of it: its stages run again, and the job has to be marked as watched again. */
  #beginAnew(): Effect.Effect<void> {
    this.#completed.clear()
    this.#shownOrder = 0
    return this.#watch === null ? Effect.void : this.#watching(this.#watch)
  }

  /** Tells what the history has after the last event seen. */
  #catchUp(): Effect.Effect<string, RedisError.RedisError> {
    return Effect.gen({ self: this }, function* () {
      const { log } = this.#services
      // starts at the last event seen: if that is gone, Redis has lost it
      let events = yield* log.history(this.#jobId, Math.max(0, (this.#last ?? 0) - 1))
      let last = this.#last ?? latestRun(events)
      if (events.length === 0 && last > 0) {
        events = yield* log.history(this.#jobId, 0)
        last = events.at(-1)?.seq ?? 0
        yield* this.#beginAnew()
      }
      this.#last = last
      const end = events.at(-1)
      if (end !== undefined && end.seq <= last && JobEvent.isTerminal(end)) return yield* this.#tellEvent(end)
      // an operator has opened another run since: the earlier run's end is no longer the end
      this.#last = Math.max(last, latestRun(events))
      let text = ""
      for (const event of events) {
        if (event.seq > this.#last && !this.#ended) text += yield* this.#tellEvent(event)
      }
      this.#subscription.seen(this.#last)
      return text
    })
  }

  /** What the running stage has added since this viewer last looked; the whole when it joins late. */
  #newText(): string {
    this.#subscription.heard()
    const now = this.#subscription.partial()
    if (now === null || now.text === null || this.#completed.has(now.stage) || now.order < this.#shownOrder) return ""
    let text = ""
    if (now.order > this.#shownOrder) {
      if (this.#shownLength > 0) text += textFrame(this.#jobId, now, "restarted", 0, "")
      this.#shownOrder = now.order
      this.#shownLength = 0
    }
    if (now.text.length > this.#shownLength) {
      text += textFrame(this.#jobId, now, "delta", this.#shownLength, now.text.slice(this.#shownLength))
      this.#shownLength = now.text.length
    }
    return text
  }

  /** The end of a job that Redis no longer has. A client that comes back finds no job (404). */
  #lost(): string {
    this.#ended = true
    const seq = this.#highest + 1
    const ts = this.#services.clock.currentTimeMillisUnsafe() / 1000
    const result = ScanResult.ofLost(this.#jobId)
    const progress = this.#progress
    return eventFrame(this.#jobId, { seq, ts, progress, stage: "failed", status: "failed", result }, result)
  }

  /** Redis is down: the stream ends, and the browser reconnects with its last id. */
  #broken(error: RedisError.RedisError): Effect.Effect<string> {
    return Effect.logWarning("stream ended: no answer from Redis").pipe(
      Effect.annotateLogs({ job_id: this.#jobId, error: error.message }),
      Effect.andThen(
        Effect.sync(() => {
          this.#ended = true
          return ""
        })
      )
    )
  }
}
