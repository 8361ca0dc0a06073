/** Database: what the hooks of a deployment do to the database and with it: all migrations, and the catalogue for every worker. */
import { CharacterAdmin, migrations, prepareDatabase } from "@eco2/actors/characters"
import { Migrations } from "@eco2/core/postgres"
import { prepareDatabase as prepareNews } from "@eco2/news/layers"
import { Effect } from "effect"
import { onBoth, onDatabase } from "./Stores.ts"

/** Names of the migrations that were applied. */
export const migrated = Effect.gen(function* () {
  return [...(yield* onDatabase(prepareDatabase)), ...(yield* onDatabase(prepareNews))]
})

/** How many characters were published. */
export const warmedUp = onBoth(Effect.andThen(Migrations.check(migrations), CharacterAdmin.warmUp))
