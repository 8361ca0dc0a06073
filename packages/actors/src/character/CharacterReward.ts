/**
 * CharacterReward: the reward target for characters. Asks CharacterActor which character the scan earns; if the scan has an
 * owner, the messages to both savers go out with the stage's commit, both or neither (J3). The reward is in the scan's language,
 * what is saved in the catalogue's, Korean.
 */
import { Clock, Effect } from "effect"
import { reasonIn, textsIn } from "../domain/Character.ts"
import type { RewardTarget } from "../scan/RewardTarget.ts"
import { CharacterActor } from "./CharacterActor.ts"
import { OwnershipActor, UserCharacterActor } from "./RewardActors.ts"

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
    const { code, dialog, name, type } = character
    const shown = textsIn(character, language)
    const reward = {
      name: shown.name,
      dialog: shown.dialog,
      match_reason: language === "ko" ? match_reason : reasonIn(language, middle, minor),
      type: shown.type
    }
    if (owner === "") return { reward, tells: [] }
    const earned = {
      userId: owner,
      characterId: id,
      code,
      source: "scan",
      acquired: yield* Clock.currentTimeMillis
    }
    return {
      reward,
      tells: [
        yield* OwnershipActor.message("SaveOwnership", earned),
        yield* UserCharacterActor.message("SaveUserCharacter", { ...earned, name, type, dialog })
      ]
    }
  })
}
