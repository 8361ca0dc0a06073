/** The character roles as layers for composition roots; separate from the stages, which load the providers' SDKs. */
import { Readiness } from "@eco2/core/telemetry"
import { Migrations, Postgres } from "@eco2/core/postgres"
import { Effect, Layer, Schedule } from "effect"
import type { Character } from "../domain/Character.ts"
import * as StoredFeedback from "../feedback/StoredFeedback.ts"
import * as HistoryBehavior from "../history/HistoryBehavior.ts"
import * as HistoryStore from "../history/HistoryStore.ts"
import * as StoredScans from "../history/StoredScans.ts"
import * as StoredUserData from "../history/StoredUserData.ts"
import * as CharacterBehavior from "./CharacterBehavior.ts"
import * as CharacterCatalog from "./CharacterCatalog.ts"
import * as CharacterStore from "./CharacterStore.ts"
import * as RewardBehaviors from "./RewardBehaviors.ts"
import * as UserCharacters from "./UserCharacters.ts"

/** The catalogue that a new database is seeded with. */
export { characters as fresh } from "../domain/Character.ts"
export * as CharacterAdmin from "./CharacterAdmin.ts"

/** The contracts on Postgres, for gateways: characters, scans that are kept, feedback, and the erasure of a user's data. */
export const characters = Layer.mergeAll(
  UserCharacters.layer,
  StoredScans.layer,
  StoredUserData.layer,
  StoredFeedback.layer
)

/** The migrations of this package. */
export const migrations = [...CharacterStore.migrations, ...HistoryStore.migrations]

/**
 * Prepares the database for the roles: applies missing migrations and seeds an empty catalogue. Returns the migrations it
 * applied. Many processes may run it at once.
 */
export const prepareDatabase = Effect.gen(function* () {
  const applied = yield* Migrations.apply(migrations)
  yield* CharacterStore.seed
  return applied
})

const isAway = (error: { readonly _tag: string }) =>
  error._tag === "PostgresUnavailable" || error._tag === "PostgresBusy"

/** Waits while the database is down, without limit; fails if it lacks a table or column that we use. */
const databaseReady = Migrations.check(migrations).pipe(
  Effect.retry({ schedule: Schedule.spaced("1 second"), while: isAway })
)
/** Fails only if the database is up and lacks a table; the catalogue can be loaded without it (CharacterCatalog). */
const databaseNotWrong = Migrations.check(migrations).pipe(Effect.catchIf(isAway, () => Effect.void))

/** Role `character-match`: answers which character a scan earns. `meanwhile`: see CharacterCatalog. */
export const characterMatch = (
  options: { readonly meanwhile: ReadonlyArray<Character> | null } = { meanwhile: null }
) =>
  CharacterBehavior.layer.pipe(
    Layer.provide(CharacterCatalog.layer(options)),
    Layer.provide(options.meanwhile === null ? Layer.effectDiscard(databaseNotWrong) : Layer.empty)
  )

/** Role `character-worker`: saves what users have earned, and their done scans. */
export const characterWorker = Layer.merge(RewardBehaviors.layer, HistoryBehavior.layer).pipe(
  Layer.provide(Layer.effectDiscard(databaseReady))
)

/** /readyz reports a database that does not answer. */
export const databaseReadiness = Layer.effectDiscard(
  Effect.gen(function* () {
    const readiness = yield* Readiness
    const postgres = yield* Postgres.Postgres
    yield* readiness.register("postgres", postgres.trouble)
  })
)
