/**
 * CharacterAdmin: an operator's changes to the catalogue. Each is written to Postgres first and then published to the workers,
 * which apply it within a second. If publishing fails, Postgres is ahead of the workers; a warm-up, or the same change again,
 * brings them up to date.
 */
import { Topic } from "@eco2/core"
import { Effect } from "effect"
import type { Character } from "../domain/Character.ts"
import { CharacterEvents } from "./CharacterEvents.ts"
import * as CharacterStore from "./CharacterStore.ts"

/** Inserts or replaces the character with this code; returns it as stored. */
export const upsert = (character: Character) =>
  Effect.tap(CharacterStore.upsert(character), (stored) =>
    Topic.publish(CharacterEvents, { type: "upsert", character: stored })
  )

/** Deletes the character with this code; false if there is none. Users who earned it keep it. */
export const remove = (code: string) =>
  Effect.flatMap(CharacterStore.remove(code), (id) =>
    id === null
      ? Effect.succeed(false)
      : Effect.as(Topic.publish(CharacterEvents, { type: "delete", character_id: id }), true)
  )

/** Seeds an empty catalogue, then publishes the whole catalogue to the workers; returns the number of characters. */
export const warmUp = Effect.gen(function* () {
  yield* CharacterStore.seed
  const characters = yield* CharacterStore.list
  yield* Topic.publish(CharacterEvents, { type: "full_refresh", characters })
  return characters.length
})
