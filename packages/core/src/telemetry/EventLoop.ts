/**
 * EventLoop: how late this process's timers run. While something blocks the loop (a long computation, a synchronous call), or the
 * process is frozen, nothing else runs here: a request waits, a stream is silent, no beat renews a worker's lease, and other
 * processes take its work over. A stall is logged when it is over. One of a process: Role has it for every role, and shows it as a
 * gauge; Worker brings the same where there is no Role. Heartbeat says by it why a lease was lost.
 */
import { Context, Effect, Layer, Metric } from "effect"
import type { Scope } from "effect"
import * as Elapsed from "../clock/Elapsed.ts"
import { Gauges } from "./Gauges.ts"
import { eventLoopDelay } from "./Metrics.ts"

export class EventLoop extends Context.Service<
  EventLoop,
  {
    /** Seconds of the longest stall since this was last asked. */
    readonly longest: () => number
    /** Seconds of the longest stall that ended after `at` (Elapsed), or lasts now. */
    readonly stalledSince: (at: number) => number
  }
>()("@eco2/core/telemetry/EventLoop") {}

const tickMillis = 500
/** A shorter stall is not logged. */
const saidMillis = 1_000
/** Stalls that follow each other are logged once in this time. */
const quietMillis = 10_000

const make = Effect.gen(function* (): Effect.fn.Return<EventLoop["Service"], never, Scope.Scope> {
  const now = yield* Elapsed.clock
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  let lastTick = now()
  let longest = 0
  let saidAt = -Infinity
  let last = { millis: 0, endedAt: -Infinity }

  const lateness = (at: number) => Math.max(0, at - lastTick - tickMillis)
  const note = () => {
    const at = now()
    const millis = lateness(at)
    lastTick = at
    longest = Math.max(longest, millis)
    if (millis < saidMillis) return
    last = { millis, endedAt: at }
    if (at - saidAt < quietMillis) return
    saidAt = at
    fork(
      Effect.logWarning("the event loop stalled: nothing else ran in this process").pipe(
        Effect.annotateLogs({ seconds: Math.round(millis / 100) / 10 })
      )
    )
  }
  const timer = setInterval(note, tickMillis)
  timer.unref()
  yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(timer)))

  return {
    longest: () => {
      note()
      const seconds = longest / 1_000
      longest = 0
      return seconds
    },
    stalledSince: (at) => Math.max(lateness(now()), last.endedAt > at ? last.millis : 0) / 1_000
  }
})

/** Built once, wherever it is asked for. */
export const layer: Layer.Layer<EventLoop> = Layer.effect(EventLoop, make)

/** The gauge: each scrape shows the longest stall since the last. */
export const telemetry: Layer.Layer<never, never, EventLoop | Gauges> = Layer.effectDiscard(
  Effect.gen(function* () {
    const { longest } = yield* EventLoop
    const gauges = yield* Gauges
    yield* gauges.register(Effect.suspend(() => Metric.update(eventLoopDelay, longest())))
  })
)
