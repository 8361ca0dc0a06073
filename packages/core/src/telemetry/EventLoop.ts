/**
 * EventLoop: how late this process's timers run. While a handler blocks the loop (a long computation, a synchronous call), or the
 * process is frozen, nothing else runs here: no beat renews the lease, and other processes take the work over. A stall is logged
 * when it is over. Used by ActorSystem and Heartbeat.
 */
import { Effect } from "effect"
import type { Scope } from "effect"
import * as Elapsed from "../clock/Elapsed.ts"

export interface EventLoop {
  /** Seconds of the longest stall since this was last asked. */
  readonly longest: () => number
  /** Seconds of the longest stall that ended after `at` (Elapsed), or lasts now. */
  readonly stalledSince: (at: number) => number
}

const tickMillis = 500
/** A shorter stall is not logged. */
const saidMillis = 1_000
/** Stalls that follow each other are logged once in this time. */
const quietMillis = 10_000

export const make = Effect.gen(function* (): Effect.fn.Return<EventLoop, never, Scope.Scope> {
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
