/**
 * Characters: what clients may read of characters, theirs and all: a read contract for gateways, which import no
 * implementation (UserCharacters, on Postgres, is put under it where a role is put together).
 */
import { Context, Schema } from "effect"
import type { Effect } from "effect"

/** One of the catalogue, as clients see it; `match`: the middle category it stands for. */
export const CatalogueEntry = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  dialog: Schema.String,
  match: Schema.NullOr(Schema.String)
})
export type CatalogueEntry = typeof CatalogueEntry.Type

/** A character that is a user's; `acquired_at` in ISO 8601, UTC. */
export const OwnedCharacter = Schema.Struct({
  id: Schema.String,
  code: Schema.String,
  name: Schema.String,
  type: Schema.String,
  dialog: Schema.String,
  acquired_at: Schema.String
})
export type OwnedCharacter = typeof OwnedCharacter.Type

/** The store does not answer, is not set up, or there is none. Asking again later is safe. */
export class CharactersUnavailable extends Schema.TaggedError<CharactersUnavailable>()("CharactersUnavailable", {
  reason: Schema.String
}) {
  override get message() {
    return `characters cannot be read: ${this.reason}`
  }
}

export class Characters extends Context.Service<
  Characters,
  {
    readonly catalogue: Effect.Effect<ReadonlyArray<CatalogueEntry>, CharactersUnavailable>
    /** Never empty: who has none yet is given the default one. In order of acquisition. */
    readonly ofUser: (userId: string) => Effect.Effect<ReadonlyArray<OwnedCharacter>, CharactersUnavailable>
    /** Whether a character of this name, as it is called now or was when it was earned, is the user's. */
    readonly owns: (userId: string, name: string) => Effect.Effect<boolean, CharactersUnavailable>
  }
>()("@eco2/actors/character/Characters") {}
