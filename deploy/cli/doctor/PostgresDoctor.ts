/** PostgresDoctor: checks that the database at DATABASE_URL answers, accepts writes, and has our tables. Changes nothing. */
import { migrations } from "@eco2/actors/characters"
import { Migrations, Postgres, PostgresConfig, PostgresStatement } from "@eco2/core/postgres"
import { migrations as newsMigrations } from "@eco2/news/layers"
import { Clock, Config, Effect, Layer, Option, Schema } from "effect"
import { failing, ofClock, ok, warn } from "./Finding.ts"
import type { Finding } from "./Finding.ts"

const oldestMajor = 12

const about = PostgresStatement.make({
  name: "doctor.about",
  text: `SELECT current_setting('server_version') AS version, current_setting('max_connections')::int AS connections,
    pg_is_in_recovery() AS replica, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS millis`,
  row: Schema.Struct({
    version: Schema.String,
    connections: Schema.Int,
    replica: Schema.Boolean,
    millis: Schema.Finite
  })
})

const ofMigrations: Effect.Effect<Finding, never, Postgres.Postgres> = Migrations.check([
  ...migrations,
  ...newsMigrations
]).pipe(
  Effect.as(ok("postgres.migrations", `all ${migrations.length + newsMigrations.length} applied`)),
  Effect.catch((error) =>
    Effect.succeed(
      failing(
        "postgres.migrations",
        error.message,
        error._tag === "MigrationsMissing"
          ? "run `eco2 migrate`"
          : "run the version that applied it, or use a separate database"
      )
    )
  )
)

const examineOpen = Effect.gen(function* () {
  const postgres = yield* Postgres.Postgres
  // once before measuring, so that connecting does not count as clock skew
  yield* postgres.run(about)
  const before = yield* Clock.currentTimeMillis
  const [row] = yield* postgres.run(about)
  const after = yield* Clock.currentTimeMillis
  if (row === undefined) return [failing("postgres.reach", "an empty answer", "is it PostgreSQL?")]
  const { pool } = yield* PostgresConfig.limits
  return [
    Number.parseInt(row.version, 10) < oldestMajor
      ? failing("postgres.version", row.version, `use PostgreSQL ${oldestMajor} or newer`)
      : ok("postgres.version", row.version),
    row.replica
      ? failing("postgres.writable", "a replica, which accepts no writes", "point DATABASE_URL at the primary")
      : ok("postgres.writable", "accepts writes"),
    row.connections < 4 * pool
      ? warn(
          "postgres.connections",
          `max_connections ${row.connections}: room for ${Math.floor(row.connections / pool)} processes of DATABASE_POOL ${pool}`,
          "raise max_connections, or lower DATABASE_POOL"
        )
      : ok("postgres.connections", `max_connections ${row.connections}, DATABASE_POOL ${pool} a process`),
    yield* ofMigrations,
    ofClock("postgres.clock", (before + after) / 2 - row.millis, "Postgres's machine")
  ]
})

/** Checks the database at DATABASE_URL; no database, or no answer, is a finding too. */
export const examine: Effect.Effect<ReadonlyArray<Finding>> = Effect.gen(function* () {
  if (Option.isNone(yield* PostgresConfig.databaseUrl)) {
    return [
      warn(
        "postgres.url",
        "DATABASE_URL is not set",
        "not needed by scan-workers; without it a gateway answers 503 where it reads characters, and the other roles do not start"
      )
    ]
  }
  return yield* Effect.provide(examineOpen, Layer.fresh(Postgres.layer))
}).pipe(
  Effect.catch((error) =>
    Effect.succeed([
      failing(
        "postgres.reach",
        error instanceof Config.ConfigError ? error.cause.message : error.message,
        "check DATABASE_URL, user, password and the network"
      )
    ])
  )
)
