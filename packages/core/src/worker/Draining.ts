/**
 * Draining: what operators have stopped by Policies, in one process. From a paused mailbox nothing is taken, and no job is kept for
 * its stage. A drained process takes nothing: what runs may end within SHUTDOWN_GRACE, then it is handed back, as at a stop
 * (Shutdown); the process itself goes on, and takes work again when the drain is over. A process that loses its lease goes on under
 * another token, and is drained no more.
 */
import { Duration, Effect } from "effect"
import type { Scope } from "effect"
import type { Policies } from "../policy/Policies.ts"
import * as Ending from "./Ending.ts"
import type { Workload } from "./Workload.ts"

/** Follows the policies until the scope closes; returns the loop that hands back, which ends at the stop. */
export const make = Effect.fnUntraced(function* (
  workload: Workload,
  policies: Policies["Service"],
  token: () => string,
  grace: Duration.Duration
): Effect.fn.Return<Effect.Effect<void>, never, Scope.Scope> {
  const isDrained = () => policies.draining().has(token())
  workload.isHeld = (mailbox) => policies.paused().has(mailbox) || isDrained()
  yield* policies.onChange(() => workload.changed())

  const ended = () => workload.stopping || !isDrained()
  const isEmpty = () => workload.deliveries.size === 0
  const drain = Effect.gen(function* () {
    yield* workload.until(() => workload.stopping || isDrained())
    if (workload.stopping) return
    yield* Effect.logInfo("drained by an operator: taking no more work").pipe(
      Effect.annotateLogs({ process: token(), entries: workload.deliveries.size, grace: Duration.format(grace) })
    )
    yield* Effect.timeoutOption(
      workload.until(() => ended() || isEmpty()),
      grace
    )
    const rest = ended() ? [] : [...workload.deliveries.values()]
    yield* Effect.forEach(rest, (delivery) => Ending.end(workload, delivery, "release"), {
      concurrency: "unbounded",
      discard: true
    })
    yield* workload.until(() => ended() || isEmpty())
    if (!ended()) {
      yield* Effect.logInfo("drained: this process holds no work").pipe(
        Effect.annotateLogs({ process: token(), handed_back: rest.length })
      )
    }
    yield* workload.until(ended)
    if (!workload.stopping) yield* Effect.logInfo("no longer drained: taking work again")
  })
  return Effect.repeat(drain, { until: () => workload.stopping })
})
