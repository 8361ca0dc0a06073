/**
 * Supervisor: keeps the endless loops of one part of a process running. A loop that ends by a defect is said once, counted,
 * and started again after a growing pause. One that fails more than `maxRestarts` times `within` a while is given up:
 * `trouble` says so and `failed` fails; whoever runs the process ends it, and others take over its work.
 * A defect in a handler is not counted here: it is its message's failure (Behavior, StageBehavior).
 * A Schedule counts from its start and a FiberSet tells only the first failure, so the sliding window is kept here.
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
 * As many restarts as an entry has deliveries (A2): one that fails its actor each time is buried, when the actor fails by
 * others too it is the actor's fault.
 */
export const standard: Intensity = { maxRestarts: 5, within: "1 minute" }

/** A loop failed too often. The part of the process it belongs to does its work no more; a new process may. */
export class LoopFailed extends Schema.TaggedError<LoopFailed>()("LoopFailed", {
  loop: Schema.String,
  failures: Schema.Int,
  withinMillis: Schema.Finite
}) {
  override get message() {
    return `${this.loop} failed too often: ${this.failures} times within ${Duration.format(Duration.millis(this.withinMillis))}`
  }
}

/** What a supervised part tells those who run it. */
export interface Supervision {
  /** Null until a loop is given up; then what is wrong, for good. */
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
   * For what runs anew by itself: says and counts a failure.
   * Answers the pause it deserves, or null when it is given up.
   */
  readonly counting: (
    loop: string,
    intensity?: Intensity
  ) => (cause: Cause.Cause<unknown>) => Effect.Effect<Duration.Duration | null>
}

const firstPauseMillis = 100
/** All pauses of the standard intensity together are shorter than a lease: a heartbeat that recovers has lost nothing. */
const longestPauseMillis = 2_000

/** `stopping`: whether loops are to end by themselves now; without it they never are. */
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
