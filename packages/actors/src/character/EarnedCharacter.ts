/** EarnedCharacter: the messages to both savers about a character that a user has earned. */
import { Effect } from "effect"
import type { Matched } from "./CharacterActor.ts"
import { OwnershipActor, UserCharacterActor } from "./RewardActors.ts"

/** `acquired`: epoch milliseconds; `scanId`: absent in decisions that an earlier version asked for. */
export interface Earned {
  readonly scanId: string | undefined
  readonly userId: string
  readonly character: Matched
  readonly acquired: number
}

const payloads = ({ acquired, character, scanId, userId }: Earned) => {
  const { code, dialog, id, name, type } = character
  const earned = {
    userId,
    characterId: id,
    code,
    source: "scan",
    acquired,
    ...(scanId === undefined ? {} : { scanId })
  }
  return { earned, shown: { ...earned, name, type, dialog } }
}

/** The messages, for a stage that sends them with its commit: both or neither (J3). */
export const messages = (given: Earned) => {
  const { earned, shown } = payloads(given)
  return Effect.all([
    OwnershipActor.message("SaveOwnership", earned),
    UserCharacterActor.message("SaveUserCharacter", shown)
  ])
}

/** Sends them one after the other. Repeating it is safe: each saver stores a character of a user once. */
export const tell = Effect.fnUntraced(function* (given: Earned) {
  const { earned, shown } = payloads(given)
  yield* OwnershipActor.tell(given.userId, "SaveOwnership", earned)
  yield* UserCharacterActor.tell(given.userId, "SaveUserCharacter", shown)
})
