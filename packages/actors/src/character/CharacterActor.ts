/** CharacterActor: the protocol of the actor that answers which character a scan earns. Senders import this alone. */
import { Actor } from "@eco2/core/client"
import { Schema } from "effect"

export const MatchCharacter = Schema.Struct({ middle: Schema.String, minor: Schema.NullOr(Schema.String) })

/** A character of the catalogue, and why it matches: `match_reason` as in domain/Character's Match. */
export const Matched = Schema.Struct({
  id: Schema.NonEmptyString,
  code: Schema.NonEmptyString,
  name: Schema.NonEmptyString,
  type: Schema.NonEmptyString,
  dialog: Schema.NonEmptyString,
  match_reason: Schema.String
})

export const CharacterActor = Actor.make("character", {
  MatchCharacter: Actor.ask({ payload: MatchCharacter, reply: Matched })
})
