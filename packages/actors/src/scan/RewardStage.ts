/**
 * RewardStage: determines what the scan earns. Asks only for a recyclable with a middle category, a rule for recyclables (none
 * for what is broken or hazardous) and a sufficient answer. A target that fails grants nothing; the scan completes all the same. RewardTargets lists what can be earned. Messages
 * about a reward go out with this stage's commit (J3).
 */
import { Pipeline, Replies, StageBehavior } from "@eco2/core"
import { Effect } from "effect"
import type { Classification } from "../domain/Scan.ts"
import { RECYCLABLE } from "../domain/Waste.ts"
import { targets } from "./RewardTargets.ts"
import { ScanPipeline } from "./ScanPipeline.ts"

const isEligible = (classification: Classification, ruleKey: string | null, insufficiencies: number): boolean =>
  classification.major_category === RECYCLABLE &&
  classification.middle_category !== "" &&
  ruleKey?.startsWith(RECYCLABLE) === true &&
  insufficiencies === 0

export const layer = StageBehavior.layer(
  ScanPipeline,
  "reward",
  Effect.map(Replies.Replies, (replies) =>
    Effect.fnUntraced(function* (
      { answer, input, rule, vision }: Pipeline.Read<typeof ScanPipeline, "reward">,
      job: StageBehavior.StageJob
    ) {
      const { classification } = vision.result
      if (!isEligible(classification, rule?.key ?? null, answer.answer.insufficiencies.length)) return null
      for (const target of targets) {
        const grant = yield* target
          .grant({ scanId: job.id, owner: job.owner, classification, language: input.language })
          .pipe(
            Effect.provideService(Replies.Replies, replies),
            Effect.catchCause((cause) =>
              Effect.as(
                Effect.logWarning("reward target failed", cause).pipe(
                  Effect.annotateLogs({ target: target.name, job_id: job.id })
                ),
                null
              )
            )
          )
        if (grant === null) continue
        for (const message of grant.tells) yield* job.tell(message)
        return grant.reward
      }
      return null
    })
  )
)
