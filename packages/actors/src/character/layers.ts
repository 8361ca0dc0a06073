/** What this package does about characters, as layers for composition roots: apart from the stages, which bring SDKs along. */
import { Readiness } from "@eco2/core/telemetry"
import { Migrations, Postgres } from "@eco2/core/postgres"
import { Effect, Layer, Schedule } from "effect"
import type { Character } from "../domain/Character.ts"
import * as CharacterBehavior from "./CharacterBehavior.ts"
import * as CharacterCatalog from "./CharacterCatalog.ts"
import * as CharacterStore from "./CharacterStore.ts"
import * as RewardBehaviors from "./RewardBehaviors.ts"
import * as UserCharacters from "./UserCharacters.ts"

/** The catalogue a fresh database is filled with. */
export { characters as fresh } from "../domain/Character.ts"
export * as CharacterAdmin from "./CharacterAdmin.ts"

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

const isAway = (error: { readonly _tag: string }) =>
  error._tag === "PostgresUnavailable" || error._tag === "PostgresBusy"

/** Waits for a database that is away, as long as it takes; fails on one that lacks what we rely on. */
const databaseReady = Migrations.check(migrations).pipe(
  Effect.retry({ schedule: Schedule.spaced("1 second"), while: isAway })
)
/** Fails only on a database that is there and lacks it: the catalogue can be had without one (CharacterCatalog). */
const databaseNotWrong = Migrations.check(migrations).pipe(Effect.catchIf(isAway, () => Effect.void))

/** Role `character-match`: answers which character a scan earns. `meanwhile`: see CharacterCatalog. */
export const characterMatch = (
  options: { readonly meanwhile: ReadonlyArray<Character> | null } = { meanwhile: null }
) =>
  CharacterBehavior.layer.pipe(
    Layer.provide(CharacterCatalog.layer(options)),
    Layer.provide(options.meanwhile === null ? Layer.effectDiscard(databaseNotWrong) : Layer.empty)
  )

/** Role `character-worker`: saves what users have earned. */
export const characterWorker = RewardBehaviors.layer.pipe(Layer.provide(Layer.effectDiscard(databaseReady)))

/** /readyz tells of a database that does not answer. */
export const databaseReadiness = Layer.effectDiscard(
  Effect.gen(function* () {
    const readiness = yield* Readiness
    const postgres = yield* Postgres.Postgres
    yield* readiness.register("postgres", postgres.trouble)
  })
)
