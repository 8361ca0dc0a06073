/**
 * Supervisor: restarts the endless loops of one part of a process. A loop that ends with a defect is logged, counted, and
 * restarted after a growing backoff. A loop that fails more than `maxRestarts` times within `within` is given up: `trouble`
 * reports it and `failed` fails, so that the process ends and other processes take over its work.
 * A defect in a handler is not counted here: it is the failure of its message (Behavior, StageBehavior).
 * The sliding window is kept here, because a Schedule counts from its start and a FiberSet reports only the first failure.
 */
import { Cause, Deferred, Duration, Effect, Exit, Metric, Schema } from "effect"
import type { Fiber, Scope } from "effect"
import { restarts } from "../telemetry/Metrics.ts"
import * as Elapsed from "../clock/Elapsed.ts"

/** How often a loop may fail before it is given up. */
export interface Intensity {
  readonly maxRestarts: number
  readonly within: Duration.Input
}
/**
 * As many restarts as an entry has deliveries (A2): an entry that fails its actor each time becomes a dead letter before the
 * actor is given up. An actor that fails more often fails with other entries too, so the fault is its own.
 */
export const standard: Intensity = { maxRestarts: 5, within: "1 minute" }

/** A loop failed too often. Its part of the process has stopped working; a new process may succeed. */
export class LoopFailed extends Schema.TaggedError<LoopFailed>()("LoopFailed", {
  loop: Schema.String,
  failures: Schema.Int,
  withinMillis: Schema.Finite
}) {
  override get message() {
    return `${this.loop} failed too often: ${this.failures} times within ${Duration.format(Duration.millis(this.withinMillis))}`
  }
}

/** The state of a supervised part, for its owner. */
export interface Supervision {
  /** Null until a loop is given up; from then on what is wrong. */
  readonly trouble: () => string | null
  /** Fails once a loop is given up; never succeeds. */
  readonly failed: Effect.Effect<never, LoopFailed>
}

export interface Supervisor extends Supervision {
  /** Runs a loop in a fiber of this scope. The fiber ends when the loop ends while stopping, or is given up. */
  readonly supervise: <R>(
    loop: string,
    run: Effect.Effect<void, never, R>,
    intensity?: Intensity
  ) => Effect.Effect<Fiber.Fiber<void>, never, R | Scope.Scope>
  /**
   * For work that restarts by itself: logs and counts a failure. Returns the pause before the restart, or null when it is
   * given up.
   */
  readonly counting: (
    loop: string,
    intensity?: Intensity
  ) => (cause: Cause.Cause<unknown>) => Effect.Effect<Duration.Duration | null>
}

const firstPauseMillis = 100
/** All pauses of the standard intensity together are shorter than a lease, so a heartbeat that recovers keeps its lease. */
const longestPauseMillis = 2_000

/** `stopping`: whether a loop may end now; without it, loops never end. */
export const make = ({ stopping = () => false }: { readonly stopping?: () => boolean } = {}): Supervisor => {
  const failed = Deferred.makeUnsafe<never, LoopFailed>()
  let trouble: string | null = null

  const counting: Supervisor["counting"] = (loop, { maxRestarts, within } = standard) => {
    const withinMillis = Duration.toMillis(within)
    const restarted = Metric.withAttributes(restarts, { loop })
    let failures: ReadonlyArray<number> = []
    return Effect.fnUntraced(function* (cause) {
      const now = (yield* Elapsed.clock)()
      failures = [...failures.filter((at) => now - at < withinMillis), now].slice(-maxRestarts - 1)
      if (failures.length > maxRestarts) {
        const error = new LoopFailed({ loop, failures: failures.length, withinMillis })
        trouble ??= error.message
        yield* Effect.logError("loop failed too often; giving up", cause).pipe(Effect.annotateLogs({ loop }))
        yield* Deferred.fail(failed, error)
        return null
      }
      const pause = Duration.millis(Math.min(firstPauseMillis * 2 ** (failures.length - 1), longestPauseMillis))
      yield* Metric.update(restarted, 1)
      yield* Effect.logError("loop failed; restarting it", cause).pipe(
        Effect.annotateLogs({ loop, failures: failures.length })
      )
      return pause
    })
  }

  return {
    counting,
    supervise: (loop, run, intensity) => {
      const failure = counting(loop, intensity)
      return Effect.forkScoped(
        Effect.gen(function* () {
          while (true) {
            const exit = yield* Effect.exit(run)
            if (Exit.isSuccess(exit) && stopping()) return
            const cause = Exit.isSuccess(exit) ? Cause.die(new Error(`${loop} ended by itself`)) : exit.cause
            const pause = yield* failure(cause)
            if (pause === null) return
            yield* Effect.sleep(pause)
          }
        })
      )
    },
    trouble: () => trouble,
    failed: Deferred.await(failed)
  }
}
