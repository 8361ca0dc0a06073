/**
 * ScanPipeline: the four stages from a photo to the disposal answer and perhaps a character. After a crash only the stage that
 * was running runs again. This is the protocol alone: submitters import it, workers add the behaviors (VisionStage … RewardStage).
 */
import { Pipeline, Stage } from "@eco2/core/client"
import { Effect, Schema } from "effect"
import { DisposalRule } from "../domain/Disposal.ts"
import { defaultLanguage, Language } from "../domain/Language.ts"
import { ClassificationResult, FinalAnswer, Reward } from "../domain/Scan.ts"

/** The photo: its address, or the note that its bytes are stored beside the job; `url`: where its user had uploaded it. */
export const ScanImage = Schema.Union([
  Schema.TaggedStruct("Url", { url: Schema.String }),
  Schema.TaggedStruct("Bytes", { mimeType: Schema.String, url: Schema.optionalKey(Schema.String) })
])
export type ScanImage = typeof ScanImage.Type

/**
 * The input of a scan. `model` is one of those offered; `userInput` is the user's question, or the default one; `language` that
 * of all its texts; `region` where the user lives, in the user's words, or null. Jobs of gateways that knew neither have the
 * defaults.
 */
export const ScanRequest = Schema.Struct({
  image: ScanImage,
  userInput: Schema.String,
  model: Schema.String,
  language: Language.pipe(Schema.withDecodingDefaultKey(Effect.succeed(defaultLanguage))),
  region: Schema.NullOr(Schema.String).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null)))
})
export type ScanRequest = typeof ScanRequest.Type

/** The model that answered; part of the result's metadata. */
export const ModelUse = Schema.Struct({ provider: Schema.String, model: Schema.String, simulated: Schema.Boolean })

export const VisionOutput = Schema.Struct({ result: ClassificationResult, use: ModelUse })
/** Null if the taxonomy has no rule for the item. */
export const RuleOutput = Schema.NullOr(DisposalRule)
/** `use` is null if no model has answered; `by`: the rule's own steps are the answer, because no model could write one. */
export const AnswerOutput = Schema.Struct({
  answer: FinalAnswer,
  use: Schema.NullOr(ModelUse),
  by: Schema.optionalKey(Schema.Literal("rule"))
})
/** Null if the scan earns nothing. */
export const RewardOutput = Schema.NullOr(Reward)

/** Longer than a model's call and its repair, by the default of MODEL_TIMEOUT. ModelTime has more for longer calls and chains. */
const timeout = "3 minutes"

export const visionStage = Stage.make("vision", {
  needs: { input: ScanRequest },
  output: VisionOutput,
  progress: 25,
  timeout,
  readsImage: true
})
export const ruleStage = Stage.make("rule", {
  needs: { input: ScanRequest, vision: VisionOutput },
  output: RuleOutput,
  progress: 50,
  timeout: "10 seconds"
})
export const answerStage = Stage.make("answer", {
  needs: { input: ScanRequest, vision: VisionOutput, rule: RuleOutput },
  output: AnswerOutput,
  // the beginning of `user_answer`
  partial: Schema.String,
  progress: 75,
  timeout
})
export const rewardStage = Stage.make("reward", {
  needs: { input: ScanRequest, vision: VisionOutput, rule: RuleOutput, answer: AnswerOutput },
  output: RewardOutput,
  progress: 100,
  timeout: "30 seconds"
})

export const ScanPipeline = Pipeline.make("scan", { input: ScanRequest, tags: ({ model }) => [`model:${model}`] })
  .add(visionStage) // what is on the photo
  .add(ruleStage) // which disposal rule holds for it
  .add(answerStage) // the rule in the user's words
  .add(rewardStage) // the character it earns, if any
