/**
 * HistoryBehavior: keeps done scans in Postgres, in batches as the rewards are saved (Saving), and removes what is older than
 * SCAN_RETENTION, and feedback older than FEEDBACK_RETENTION: once an hour, in bounded steps. A repeated message changes nothing; a scan of a user whose data was erased
 * meanwhile is removed again (ErasureStore).
 */
import { BatchBehavior, Schedule } from "@eco2/core"
import { Postgres } from "@eco2/core/postgres"
import type { PostgresError } from "@eco2/core/postgres"
import { Duration, Effect, Layer, Metric } from "effect"
import * as Saving from "../character/Saving.ts"
import * as ErasureStore from "./ErasureStore.ts"
import { HistoryActor } from "./HistoryActor.ts"
import type { ForgetScans, KeptScan } from "./HistoryActor.ts"
import { feedbackRetention, retention } from "./HistoryConfig.ts"
import * as HistoryStore from "./HistoryStore.ts"
import { rememberedDays } from "./UserData.ts"

/** Scans that a batch has kept, by `outcome`: stored, or known (already there). */
const scansKept = Metric.counter("eco2_scans_kept_total", {
  incremental: true,
  description: "done scans that a batch has kept in Postgres"
})
/** Kept scans that were removed because of their age. */
const scansForgotten = Metric.counter("eco2_scans_forgotten_total", {
  incremental: true,
  description: "kept scans removed because of their age"
})

/** Rows that one statement removes, and statements of one run; what is left goes with the next run. */
const step = 1_000
const steps = 500

const remembered = Duration.toMillis(Duration.days(rememberedDays))

const behavior = BatchBehavior.layer(
  HistoryActor,
  Effect.gen(function* () {
    const postgres = yield* Postgres.Postgres
    const kept = yield* retention
    const feedbackKept = yield* feedbackRetention
    // so that it can be read before the first hour is over
    yield* Metric.update(scansForgotten, 0)
    const counted = (outcome: string, scans: number) =>
      Metric.update(Metric.withAttributes(scansKept, { outcome }), scans)
    const keep = (batch: ReadonlyArray<KeptScan>): Effect.Effect<void, PostgresError.PostgresError> =>
      HistoryStore.save(batch).pipe(
        Effect.tap(ErasureStore.sweep(batch.map(({ userId }) => userId))),
        Effect.provideService(Postgres.Postgres, postgres),
        Saving.patiently,
        Effect.flatMap((stored) =>
          Effect.andThen(counted("stored", stored.length), counted("known", batch.length - stored.length))
        )
      )
    const forget = Effect.fnUntraced(function* (
      batch: ReadonlyArray<ForgetScans>
    ): Effect.fn.Return<void, PostgresError.PostgresError> {
      const at = Math.max(...batch.map((one) => one.at))
      yield* Effect.provideService(ErasureStore.forget(at - remembered), Postgres.Postgres, postgres)
      for (let left = steps; left > 0; left--) {
        const old = HistoryStore.forgetFeedback(at - Duration.toMillis(feedbackKept), step)
        if ((yield* Effect.provideService(old, Postgres.Postgres, postgres)) < step) break
      }
      const before = at - (kept === null ? 0 : Duration.toMillis(kept))
      for (let left = steps; left > 0; left--) {
        const gone = yield* HistoryStore.forget(before, step).pipe(Effect.provideService(Postgres.Postgres, postgres))
        yield* Metric.update(scansForgotten, gone)
        if (gone < step) return
      }
    })
    return { KeepScan: keep, ForgetScans: forget }
  }),
  Saving.options
)

const sweep = Schedule.everyTell(
  "scan-retention",
  { interval: "1 hour" },
  { actor: HistoryActor, type: "ForgetScans", payload: (slot) => ({ at: slot.getTime() }) }
)

export const layer = Layer.merge(behavior, sweep)
