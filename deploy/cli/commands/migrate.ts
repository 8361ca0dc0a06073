/** `eco2 migrate`: prepares the database for the roles of this version, before they start. May run in many places at once. */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { print } from "../Output.ts"

/** Loaded when it is asked for, as the doctor is. */
export const migrate = Command.make("migrate", {}, () =>
  Effect.gen(function* () {
    const { migrated } = yield* Effect.promise(() => import("../Database.ts"))
    const applied = yield* migrated
    yield* print({ applied }, () =>
      applied.length === 0 ? "the database is up to date" : applied.map((name) => `applied ${name}`).join("\n")
    )
  })
).pipe(Command.withDescription("Apply the migrations that the database at DATABASE_URL lacks"))
