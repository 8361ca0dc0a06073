/**
 * CharacterReward: the reward target for characters. Asks CharacterActor which character the scan earns; if the scan has an
 * owner, the messages to both savers go out with the stage's commit, both or neither (J3). The reward is in the scan's language,
 * what is saved in the catalogue's, Korean. Without an answer in time the actor is told to decide it later, with the same commit.
 */
import { Clock, Effect } from "effect"
import { reasonIn, textsIn } from "../domain/Character.ts"
import type { RewardTarget } from "../scan/RewardTarget.ts"
import { CharacterActor } from "./CharacterActor.ts"
import * as EarnedCharacter from "./EarnedCharacter.ts"

const deadline = "10 seconds"

export const characterMatch: RewardTarget = {
  name: "character.match",
  grant: Effect.fnUntraced(function* ({ classification, language, owner, scanId }) {
    const { middle_category: middle, minor_category: minor } = classification
    const { id, match_reason, ...character } = yield* CharacterActor.ask(
      scanId,
      "MatchCharacter",
      { middle, minor },
      { deadline }
    )
    const shown = textsIn(character, language)
    const reward = {
      name: shown.name,
      dialog: shown.dialog,
      match_reason: language === "ko" ? match_reason : reasonIn(language, middle, minor),
      type: shown.type
    }
    if (owner === "") return { reward, tells: [] }
    const acquired = yield* Clock.currentTimeMillis
    const matched = { ...character, id, match_reason }
    return { reward, tells: yield* EarnedCharacter.messages({ userId: owner, character: matched, acquired, scanId }) }
  }),
  later: Effect.fnUntraced(function* ({ classification, owner, scanId }) {
    if (owner === "") return []
    const { middle_category: middle, minor_category: minor } = classification
    const acquired = yield* Clock.currentTimeMillis
    return [yield* CharacterActor.message("DecideReward", { middle, minor, userId: owner, acquired, scanId })]
  })
}
