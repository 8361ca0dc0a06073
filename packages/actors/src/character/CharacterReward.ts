/**
 * CharacterReward: the reward target for characters. Asks CharacterActor which character the scan earns; if the scan has an
 * owner, the messages to both savers go out with the stage's commit, both or neither (J3).
 */
import { Clock, Effect } from "effect"
import type { RewardTarget } from "../scan/RewardTarget.ts"
import { CharacterActor } from "./CharacterActor.ts"
import { OwnershipActor, UserCharacterActor } from "./RewardActors.ts"

const deadline = "10 seconds"

export const characterMatch: RewardTarget = {
  name: "character.match",
  grant: Effect.fnUntraced(function* ({ classification, owner, scanId }) {
    const { code, dialog, id, match_reason, name, type } = yield* CharacterActor.ask(
      scanId,
      "MatchCharacter",
      { middle: classification.middle_category, minor: classification.minor_category },
      { deadline }
    )
    const reward = { name, dialog, match_reason, type }
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
