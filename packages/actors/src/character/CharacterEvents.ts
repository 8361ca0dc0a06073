/**
 * CharacterEvents: the topic that keeps the workers' catalogues up to date. Postgres is written first, then the event is
 * published. The topic's state is the catalogue as last published; a worker that starts while Postgres is down loads it.
 */
import { Topic } from "@eco2/core"
import { Schema } from "effect"
import { StoredCharacter } from "./CharacterStore.ts"

export const CharacterEvent = Schema.Union([
  /** The whole catalogue. */
  Schema.Struct({ type: Schema.Literal("full_refresh"), characters: Schema.Array(StoredCharacter) }),
  Schema.Struct({ type: Schema.Literal("upsert"), character: StoredCharacter }),
  Schema.Struct({ type: Schema.Literal("delete"), character_id: Schema.String })
])
export type CharacterEvent = typeof CharacterEvent.Type

export const changes = (event: CharacterEvent): ReadonlyArray<Topic.Change<StoredCharacter>> => {
  switch (event.type) {
    case "full_refresh":
      return Topic.replace(event.characters.map((character) => [character.id, character]))
    case "upsert":
      return [Topic.set(event.character.id, event.character)]
    case "delete":
      return [Topic.remove(event.character_id)]
  }
}

export const CharacterEvents = Topic.make("character.cache", {
  event: CharacterEvent,
  state: { value: StoredCharacter, change: changes }
})
