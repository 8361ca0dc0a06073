/**
 * Migrations: numbered SQL files, each applied once, in order, however many processes start together. One transaction applies a
 * file; it first inserts the file's row, so that a second process waits at the unique key and then finds the row.
 * An applied file must not change: a changed file is refused. Files known only to the database are fine, so that an older
 * version runs beside a newer one.
 * Neighbours: Postgres.script. It needs no lock, so it also works on the embedded database.
 */
import { Effect, Schedule, Schema } from "effect"
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { Postgres } from "./Postgres.ts"
import type { PostgresError, PostgresRefused } from "./PostgresError.ts"
import * as Statement from "./Statement.ts"

export interface Migration {
  /** The package's part, a word; numbers count within it. */
  readonly part: string
  readonly number: number
  readonly name: string
  readonly sql: string
  /** Checksum of the text; line ends do not count. */
  readonly checksum: string
}

const told = (migration: { readonly part: string; readonly number: number; readonly name: string }) =>
  `${migration.part}/${String(migration.number).padStart(4, "0")}-${migration.name}`

/** A file differs from the one applied under its number. Nothing happened; write a new file instead. */
export class MigrationChanged extends Schema.TaggedError<MigrationChanged>()("MigrationChanged", {
  migration: Schema.String,
  applied: Schema.String
}) {
  override get message() {
    return `migration ${this.migration} differs from the applied ${this.applied}; never change an applied file, add a new one`
  }
}

/** Postgres refused a statement of the file. The file was rolled back; earlier files stay applied. */
export class MigrationFailed extends Schema.TaggedError<MigrationFailed>()("MigrationFailed", {
  migration: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `migration ${this.migration} failed: ${this.reason}`
  }
}

/** The database lacks migrations that this process needs. */
export class MigrationsMissing extends Schema.TaggedError<MigrationsMissing>()("MigrationsMissing", {
  migrations: Schema.Array(Schema.String)
}) {
  override get message() {
    return `the database lacks ${this.migrations.join(", ")}; run \`eco2 migrate\``
  }
}

/**
 * The files `<four digits>-<words>.sql` of a folder, in order. Throws when a number is missing or duplicate, a file has another
 * name, or a file contains transaction commands.
 */
export const read = (part: string, folder: URL): ReadonlyArray<Migration> =>
  readdirSync(folder)
    .toSorted()
    .map((file, i) => {
      const [, digits = "", name = ""] = /^(\d{4})-([a-z0-9-]+)\.sql$/.exec(file) ?? []
      if (Number(digits) !== i + 1) throw new Error(`${part}: expected migration ${i + 1}, found ${file}`)
      const sql = readFileSync(new URL(file, folder), "utf8").replaceAll("\r\n", "\n")
      if (/\b(COMMIT|ROLLBACK)\s*;/i.test(sql)) throw new Error(`${part}/${file} ends a transaction`)
      return { part, number: i + 1, name, sql, checksum: createHash("sha256").update(sql).digest("hex") }
    })

const Row = Schema.Struct({
  part: Schema.String,
  number: Schema.Int,
  name: Schema.String,
  checksum: Schema.String
})

const list = Statement.make({
  name: "migrations.list",
  text: "SELECT part, number, name, checksum FROM eco2.migrations ORDER BY part, number",
  row: Row
})

const table = `
CREATE SCHEMA IF NOT EXISTS eco2;
CREATE TABLE IF NOT EXISTS eco2.migrations (
  part text NOT NULL,
  number integer NOT NULL,
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT migrations_once PRIMARY KEY (part, number)
);`

/** SQLSTATEs when two processes create the same object at once and one finds that it exists. */
const alreadyThere = new Set(["23505", "42P06", "42P07", "42710"])
const isRefused =
  (codes: ReadonlySet<string>) =>
  (error: PostgresError): error is PostgresRefused =>
    error._tag === "PostgresRefused" && codes.has(error.code)
const missingTable = isRefused(new Set(["42P01", "3F000"]))

const again = Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 6 }))

/** The migrations not applied yet; fails when an applied file differs. */
const pending = Effect.fnUntraced(function* (
  migrations: ReadonlyArray<Migration>,
  applied: ReadonlyArray<typeof Row.Type>
) {
  const known = new Map(applied.map((row) => [`${row.part}/${row.number}`, row]))
  const left: Array<Migration> = []
  for (const migration of migrations) {
    const row = known.get(`${migration.part}/${migration.number}`)
    if (row === undefined) left.push(migration)
    else if (row.checksum !== migration.checksum) {
      return yield* new MigrationChanged({ migration: told(migration), applied: told(row) })
    }
  }
  return left
})

/** SQL text without parameters: `read` allows only values that need no quoting. */
const insert = ({ checksum, name, number, part }: Migration) =>
  `INSERT INTO eco2.migrations (part, number, name, checksum) VALUES ('${part}', ${number}, '${name}', '${checksum}');`

/**
 * Applies the pending migrations and returns the names of those that this call applied. May run in many processes at once, and
 * again after any failure.
 */
export const apply = Effect.fnUntraced(function* (
  migrations: ReadonlyArray<Migration>
): Effect.fn.Return<ReadonlyArray<string>, MigrationChanged | MigrationFailed | PostgresError, Postgres> {
  const postgres = yield* Postgres
  const once = Effect.gen(function* () {
    yield* Effect.retry(postgres.script("migrations.table", table), {
      schedule: again,
      while: (error) => isRefused(alreadyThere)(error)
    })
    const done: Array<string> = []
    for (const migration of yield* pending(migrations, yield* postgres.run(list))) {
      const applied = yield* postgres.script("migrations.apply", `${insert(migration)}\n${migration.sql}`).pipe(
        Effect.as(true),
        // another process was faster; the next look compares the checksum
        Effect.catchIf(
          (error) => error._tag === "PostgresRefused" && error.constraint === "migrations_once",
          () => Effect.succeed(false)
        ),
        Effect.catchTag("PostgresRefused", (error) =>
          Effect.fail(new MigrationFailed({ migration: told(migration), reason: error.message }))
        )
      )
      if (!applied) continue
      done.push(told(migration))
      yield* Effect.logInfo("migration applied").pipe(Effect.annotateLogs({ migration: told(migration) }))
    }
    yield* pending(migrations, yield* postgres.run(list))
    return done
  })
  // after a lost connection: read again what is applied, and go on from there
  return yield* Effect.retry(once, {
    schedule: again,
    while: (error) => error._tag === "PostgresUnavailable" || error._tag === "PostgresBusy"
  })
})

/** Succeeds when all migrations are applied; a role checks this at start. Changes nothing. */
export const check = Effect.fnUntraced(function* (
  migrations: ReadonlyArray<Migration>
): Effect.fn.Return<void, MigrationsMissing | MigrationChanged | PostgresError, Postgres> {
  const postgres = yield* Postgres
  const applied = yield* postgres.run(list).pipe(Effect.catchIf(missingTable, () => Effect.succeed([])))
  const left = yield* pending(migrations, applied)
  if (left.length > 0) return yield* new MigrationsMissing({ migrations: left.map(told) })
})
