/**
 * CharacterActor: the protocol of the actor that knows which character a scan earns. Senders import this alone.
 *   - `MatchCharacter`: asked by a scan, whose answer shows the character at once
 *   - `DecideReward`: told by a scan that got no answer in time; the earned character is saved when the role is there again
 */
import { Actor } from "@eco2/core/client"
import { Schema } from "effect"

export const MatchCharacter = Schema.Struct({ middle: Schema.String, minor: Schema.NullOr(Schema.String) })

/** What the scan has found, whose it is, when the character was earned, epoch milliseconds, and by which scan. */
export const DecideReward = Schema.Struct({
  ...MatchCharacter.fields,
  userId: Schema.NonEmptyString,
  acquired: Schema.Int,
  scanId: Schema.optionalKey(Schema.String)
})
export type DecideReward = typeof DecideReward.Type

/** A character of the catalogue, and why it matches: `match_reason` as in domain/Character's Match. */
export const Matched = Schema.Struct({
  id: Schema.NonEmptyString,
  code: Schema.NonEmptyString,
  name: Schema.NonEmptyString,
  type: Schema.NonEmptyString,
  dialog: Schema.NonEmptyString,
  match_reason: Schema.String
})
export type Matched = typeof Matched.Type

export const CharacterActor = Actor.make("character", {
  MatchCharacter: Actor.ask({ payload: MatchCharacter, reply: Matched }),
  DecideReward: Actor.tell({ payload: DecideReward })
})
