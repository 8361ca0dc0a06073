/**
 * RewardStage: what the scan earns. Asked only of a recyclable with a middle category, a rule and a sufficient answer; a
 * target that fails earns nothing, and the scan is completed all the same.
 * What may be earned is the one list `targets`: another kind of reward is another entry, and touches nothing else.
 */
import { Pipeline } from "@eco2/core"
import { Effect } from "effect"
import { characters, matchCharacter } from "../domain/Character.ts"
import type { Classification, Reward } from "../domain/Scan.ts"
import { RECYCLABLE } from "../domain/Waste.ts"
import { ScanPipeline } from "./ScanPipeline.ts"

interface RewardTarget {
  readonly name: string
  readonly grant: (classification: Classification) => Effect.Effect<Reward | null>
}

/** The character whose label is the item's middle category, from the catalogue that comes with the code. */
const characterMatch: RewardTarget = {
  name: "character.match",
  grant: ({ middle_category, minor_category }) =>
    Effect.sync(() => matchCharacter(characters, middle_category, minor_category))
}

const targets: ReadonlyArray<RewardTarget> = [characterMatch]

const isEligible = (classification: Classification, hasRule: boolean, insufficiencies: number): boolean =>
  classification.major_category === RECYCLABLE &&
  classification.middle_category !== "" &&
  hasRule &&
  insufficiencies === 0

export const layer = Pipeline.behavior(
  ScanPipeline,
  "reward",
  Effect.succeed(
    Effect.fnUntraced(function* ({ answer, rule, vision }: Pipeline.Read<typeof ScanPipeline, "reward">) {
      const { classification } = vision.result
      if (!isEligible(classification, rule !== null, answer.answer.insufficiencies.length)) return null
      for (const target of targets) {
        const reward = yield* target
          .grant(classification)
          .pipe(
            Effect.catchCause((cause) =>
              Effect.as(
                Effect.logWarning("reward target failed", cause).pipe(Effect.annotateLogs({ target: target.name })),
                null
              )
            )
          )
        if (reward !== null) return reward
      }
      return null
    })
  )
)
