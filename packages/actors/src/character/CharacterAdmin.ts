/**
 * CharacterAdmin: what an operator does to the catalogue: into Postgres first, then told to the workers, who know it within a
 * second. Where the telling fails Postgres is ahead of them: a warm-up, or the same change again, makes them equal.
 */
import { Topic } from "@eco2/core"
import { Effect } from "effect"
import type { Character } from "../domain/Character.ts"
import { CharacterCache } from "./CharacterCache.ts"
import * as CharacterStore from "./CharacterStore.ts"

/** Stores a character under its code, new or changed; as it is stored. */
export const upsert = (character: Character) =>
  Effect.tap(CharacterStore.upsert(character), (stored) =>
    Topic.publish(CharacterCache, { type: "upsert", character: stored })
  )

/** Deletes the character of this code; false where there is none. Who has earned it keeps it. */
export const remove = (code: string) =>
  Effect.flatMap(CharacterStore.remove(code), (id) =>
    id === null
      ? Effect.succeed(false)
      : Effect.as(Topic.publish(CharacterCache, { type: "delete", character_id: id }), true)
  )

/** Tells the workers the whole catalogue as Postgres has it, an empty one being filled first; how many there are. */
export const warmUp = Effect.gen(function* () {
  yield* CharacterStore.seed
  const characters = yield* CharacterStore.list
  yield* Topic.publish(CharacterCache, { type: "full_refresh", characters })
  return characters.length
})
