/** RuleStage: looks up the item's disposal rule in memory; null if the taxonomy has none. */
import { Pipeline, StageBehavior } from "@eco2/core"
import { Effect } from "effect"
import { DisposalRules } from "../rule/DisposalRules.ts"
import { ScanPipeline } from "./ScanPipeline.ts"

export const layer = StageBehavior.layer(
  ScanPipeline,
  "rule",
  Effect.map(
    DisposalRules,
    (rules) =>
      ({ input, vision }: Pipeline.Read<typeof ScanPipeline, "rule">) =>
        Effect.sync(() => rules.find(vision.result, input.language))
  )
)
