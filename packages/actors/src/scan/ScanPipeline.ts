/**
 * ScanPipeline: photo in; disposal answer, perhaps a character out. After a crash only the stage then in work runs again.
 * The protocol alone: those who submit scans import this, those who run stages add behaviors (VisionStage … RewardStage).
 */
import { Pipeline, Stage } from "@eco2/core/client"
import { Schema } from "effect"
import { DisposalRule } from "../domain/Disposal.ts"
import { ClassificationResult, FinalAnswer, Reward } from "../domain/Scan.ts"

/** Where the photo is: an address, or bytes kept beside the job. */
export const ScanImage = Schema.Union([
  Schema.TaggedStruct("Url", { url: Schema.String }),
  Schema.TaggedStruct("Bytes", { mimeType: Schema.String })
])
export type ScanImage = typeof ScanImage.Type

/** What a scan is submitted with. `model` is one of those offered; `userInput` is the question, or the default one. */
export const ScanRequest = Schema.Struct({ image: ScanImage, userInput: Schema.String, model: Schema.String })
export type ScanRequest = typeof ScanRequest.Type

/** Who answered: stands in the result's metadata. */
export const ModelUse = Schema.Struct({ provider: Schema.String, model: Schema.String, simulated: Schema.Boolean })

export const VisionOutput = Schema.Struct({ result: ClassificationResult, use: ModelUse })
/** Null where the taxonomy has no rule for the item. */
export const RuleOutput = Schema.NullOr(DisposalRule)
/** `use` is null where no model was asked. */
export const AnswerOutput = Schema.Struct({ answer: FinalAnswer, use: Schema.NullOr(ModelUse) })
/** Null where the scan earns nothing. */
export const RewardOutput = Schema.NullOr(Reward)

export const visionStage = Stage.make("vision", {
  needs: { input: ScanRequest },
  output: VisionOutput,
  progress: 25,
  readsImage: true
})
export const ruleStage = Stage.make("rule", {
  needs: { vision: VisionOutput },
  output: RuleOutput,
  progress: 50,
  timeout: "10 seconds"
})
export const answerStage = Stage.make("answer", {
  needs: { input: ScanRequest, vision: VisionOutput, rule: RuleOutput },
  output: AnswerOutput,
  progress: 75
})
export const rewardStage = Stage.make("reward", {
  needs: { vision: VisionOutput, rule: RuleOutput, answer: AnswerOutput },
  output: RewardOutput,
  progress: 100,
  timeout: "30 seconds"
})

export const ScanPipeline = Pipeline.make("scan", { input: ScanRequest })
  .add(visionStage) // what is on the photo
  .add(ruleStage) // which disposal rule holds for it
  .add(answerStage) // the rule in the user's words
  .add(rewardStage) // the character it earns, if any
