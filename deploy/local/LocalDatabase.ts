/**
 * LocalDatabase: the database of `npm start`: the one at DATABASE_URL, else the embedded one (LocalPostgres). It is prepared
 * (migrations, catalogue) while everything else starts; until then a statement waits a few seconds and then fails as
 * unavailable. If it cannot be prepared, the process ends and says why.
 */
import { prepareDatabase } from "@eco2/actors/characters"
import { Postgres, PostgresConfig } from "@eco2/core/postgres"
import { prepareDatabase as prepareNews } from "@eco2/news/layers"
import { Deferred, Effect, Layer, Redacted, Schedule } from "effect"
import type { Config, Scope } from "effect"
import type { LocalState } from "./LocalState.ts"
import * as LocalPostgres from "./LocalPostgres.ts"

const again = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")])

/** `state`: the folder of an embedded database; made only if one is needed. */
export const layer = <E>(
  state: Effect.Effect<LocalState, E, Scope.Scope>
): Layer.Layer<Postgres.Postgres, E | Config.ConfigError | LocalPostgres.LocalPostgresMissing> =>
  Layer.effect(
    Postgres.Postgres,
    Effect.gen(function* () {
      const given = yield* PostgresConfig.databaseUrl
      const limits = yield* PostgresConfig.limits
      const source =
        given._tag === "Some"
          ? { url: Effect.succeed(given.value), limits, tls: yield* PostgresConfig.tls(given.value) }
          : {
              url: (yield* LocalPostgres.make({ directory: (yield* state).path("postgres") })).url,
              // the embedded database has one session
              limits: { ...limits, pool: 1 },
              tls: null
            }
      const prepared = yield* Deferred.make<Redacted.Redacted>()
      yield* Effect.gen(function* () {
        const url = yield* source.url
        const postgres = yield* Postgres.make({ ...source, url: Effect.succeed(url) })
        yield* Effect.andThen(prepareDatabase, prepareNews).pipe(
          Effect.provideService(Postgres.Postgres, postgres),
          Effect.retry({
            schedule: again,
            while: (error) => error._tag === "PostgresUnavailable" || error._tag === "PostgresBusy"
          }),
          Effect.tapError((error) =>
            Effect.andThen(
              Effect.logFatal(error.message),
              Effect.sync(() => process.exit(1))
            )
          )
        )
        yield* Deferred.succeed(prepared, url)
      }).pipe(Effect.scoped, Effect.forkScoped)
      return yield* Postgres.make({ ...source, url: Deferred.await(prepared) })
    })
  )
