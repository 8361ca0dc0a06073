/** What this package does about characters, as layers for composition roots: apart from the stages, which bring SDKs along. */
import { Migrations } from "@eco2/core"
import { Effect } from "effect"
import * as CharacterStore from "./CharacterStore.ts"
import * as UserCharacters from "./UserCharacters.ts"

/** The read contract on Postgres, for gateways. */
export const characters = UserCharacters.layer

/** Every table of this package. */
export const { migrations } = CharacterStore

/**
 * Makes the database fit for the roles on it: applies what migrations are missing and fills an empty catalogue. Answers with
 * the migrations it applied. May run in many processes at once.
 */
export const prepareDatabase = Effect.gen(function* () {
  const applied = yield* Migrations.apply(migrations)
  yield* CharacterStore.seed
  return applied
})
