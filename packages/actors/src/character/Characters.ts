/**
 * Characters: what clients may read about characters, their own and all. A read contract for gateways, which import no
 * implementation; composition roots provide UserCharacters, on Postgres.
 */
import { Context, Schema } from "effect"
import type { Effect } from "effect"
import type { Language } from "../domain/Language.ts"

/**
 * A character of the catalogue as clients see it; `match`: the middle category it stands for; `match_display`: that as people read
 * it in another language than Korean.
 */
export const CatalogueEntry = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  dialog: Schema.String,
  match: Schema.NullOr(Schema.String),
  match_display: Schema.optionalKey(Schema.String)
})
export type CatalogueEntry = typeof CatalogueEntry.Type

/** A character that a user owns; `acquired_at` in ISO 8601, UTC. */
export const OwnedCharacter = Schema.Struct({
  id: Schema.String,
  code: Schema.String,
  name: Schema.String,
  type: Schema.String,
  dialog: Schema.String,
  acquired_at: Schema.String
})
export type OwnedCharacter = typeof OwnedCharacter.Type

/** The database does not answer, has no tables yet, or is not configured. Retrying later is safe. */
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
    /** In Korean as stored; in English type and dialog of those that no operator has changed. */
    readonly catalogue: (language: Language) => Effect.Effect<ReadonlyArray<CatalogueEntry>, CharactersUnavailable>
    /**
     * The user's characters in order of acquisition. A user without any is given the default one, for good, if `mayGrant` says
     * so; it is asked only then.
     */
    readonly ofUser: (
      userId: string,
      mayGrant: Effect.Effect<boolean>
    ) => Effect.Effect<ReadonlyArray<OwnedCharacter>, CharactersUnavailable>
    /**
     * How the user first got the character of this name: by which scan, and when, epoch milliseconds. Null: the user does not have
     * it, or it is not saved yet. `scanId` null: by no scan, or by one of an earlier version.
     */
    readonly first: (
      userId: string,
      name: string
    ) => Effect.Effect<{ readonly scanId: string | null; readonly acquired: number } | null, CharactersUnavailable>
    /** Whether the user owns a character with this name, its current name or its name when it was earned. */
    readonly owns: (userId: string, name: string) => Effect.Effect<boolean, CharactersUnavailable>
  }
>()("@eco2/actors/character/Characters") {}
