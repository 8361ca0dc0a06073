/** StoredScans: the read contract of KeptScans, on Postgres. A process without a database has none, which is no trouble. */
import { Postgres } from "@eco2/core/postgres"
import type { PostgresError } from "@eco2/core/postgres"
import { Effect, Layer } from "effect"
import * as HistoryStore from "./HistoryStore.ts"
import { KeptScans, KeptScansUnavailable } from "./KeptScans.ts"

export const layer: Layer.Layer<KeptScans, never, Postgres.Postgres> = Layer.effect(
  KeptScans,
  Effect.gen(function* () {
    const postgres = yield* Postgres.Postgres
    const read = <A>(rows: Effect.Effect<ReadonlyArray<A>, PostgresError.PostgresError, Postgres.Postgres>) =>
      postgres === Postgres.absent
        ? Effect.succeed([])
        : rows.pipe(
            Effect.provideService(Postgres.Postgres, postgres),
            Effect.mapError((error) => new KeptScansUnavailable({ reason: error.message }))
          )
    return KeptScans.of({
      page: (userId, options) => read(HistoryStore.page(userId, options)),
      some: (userId, ids) => read(HistoryStore.some(userId, ids))
    })
  })
)
