/** `eco2 migrate`: prepares the database for the roles of this version, before they start. May run in many places at once. */
import { prepareDatabase } from "@eco2/actors/characters"
import { Migrations } from "@eco2/core/postgres"
import { migrations as newsMigrations } from "@eco2/news/layers"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { print } from "../Output.ts"
import { onDatabase } from "../Stores.ts"

export const migrate = Command.make("migrate", {}, () =>
  Effect.gen(function* () {
    const applied = [...(yield* onDatabase(prepareDatabase)), ...(yield* onDatabase(Migrations.apply(newsMigrations)))]
    yield* print({ applied }, () =>
      applied.length === 0 ? "the database is up to date" : applied.map((name) => `applied ${name}`).join("\n")
    )
  })
).pipe(Command.withDescription("Apply the migrations that the database at DATABASE_URL lacks"))
