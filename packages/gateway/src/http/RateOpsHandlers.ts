/** RateOpsHandlers: the operators' call that tells how fast stages have worked lately (StageRates). */
import { StageRates } from "@eco2/core/operations"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { fromRedis } from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"

const windowOf = ({ coveredMillis, ended, stages, windowMillis }: StageRates.Window) => {
  const aMinute = (jobs: number) => Math.round((jobs * 60_000 * 100) / coveredMillis) / 100
  return {
    window_ms: windowMillis,
    covered_ms: coveredMillis,
    ended,
    stages: stages.map(({ cancelled, done, failed, mailbox, run, sampled, wait }) => ({
      mailbox,
      done_a_minute: aMinute(done),
      failed_a_minute: aMinute(failed),
      cancelled_a_minute: aMinute(cancelled),
      sampled,
      wait_ms: wait,
      run_ms: run
    }))
  }
}

export const layer = HttpApiBuilder.group(
  Api,
  "rates",
  Effect.fnUntraced(function* (handlers) {
    const { windows } = yield* StageRates.StageRates
    return handlers.handle("list", () => Effect.map(Effect.mapError(windows, fromRedis), (all) => all.map(windowOf)))
  })
)
