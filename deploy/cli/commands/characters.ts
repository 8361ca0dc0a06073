/** `eco2 characters`: the catalogue of characters, which workers hold in memory. */
import { CharacterAdmin, migrations } from "@eco2/actors/characters"
import { Migrations } from "@eco2/core/postgres"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { print } from "../Output.ts"
import { onBoth } from "../Stores.ts"

const warmUp = Command.make("warm-up", {}, () =>
  Effect.gen(function* () {
    const characters = yield* onBoth(Effect.andThen(Migrations.check(migrations), CharacterAdmin.warmUp))
    yield* print({ characters }, () => `told every worker the ${characters} characters`)
  })
).pipe(Command.withDescription("Publish the catalogue of the database to every worker (DATABASE_URL, REDIS_URL)"))

export const characters = Command.make("characters").pipe(
  Command.withDescription("The catalogue of characters"),
  Command.withSubcommands([warmUp])
)
