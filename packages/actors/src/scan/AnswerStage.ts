/**
 * AnswerStage: puts the rule into the user's words, and shows them while they are written. Without a rule it calls no model: the
 * answer says so and apologises. When no model can answer (its failures are used up, or the job has waited for ANSWER_PATIENCE), the
 * rule's own steps are the answer.
 */
import { Pipeline, Setting, StageBehavior } from "@eco2/core"
import { Duration, Effect, Layer } from "effect"
import type { InLanguages } from "../domain/Language.ts"
import type { FinalAnswer } from "../domain/Scan.ts"
import { AnswerModel } from "../model/AnswerModel.ts"
import { modelRetry, saidBy } from "./ModelRetry.ts"
import * as RuleAnswer from "./RuleAnswer.ts"
import { ScanPipeline } from "./ScanPipeline.ts"
import { ModelTime } from "./ModelTime.ts"

const withoutRule: InLanguages<FinalAnswer> = {
  ko: {
    disposal_steps: {},
    insufficiencies: ["배출 규정 매칭 실패"],
    user_answer:
      "죄송합니다. 사진 속 물건에 맞는 배출 규정을 찾지 못했습니다. 물건 전체가 잘 보이도록 다시 찍어 주시거나, 거주 지역의 배출 안내를 확인해 주세요."
  },
  en: {
    disposal_steps: {},
    insufficiencies: ["No disposal rule matches"],
    user_answer:
      "Sorry, no disposal rule was found for what is on the photo. Please take another photo with the whole item in view, or check the disposal guide of your district."
  }
}

/**
 * ANSWER_PATIENCE: how long after its submit a scan waits for a model that has no room or does not answer, before the rule's own
 * steps are the answer. Default 3 minutes.
 */
const answerPatience = Setting.duration("ANSWER_PATIENCE", { default: "3 minutes" })

const stage = (patience: Duration.Duration, timeout: Duration.Duration) =>
  StageBehavior.layer(
    ScanPipeline,
    "answer",
    Effect.gen(function* () {
      const model = yield* AnswerModel
      return Effect.fnUntraced(function* (
        { input, rule, vision }: Pipeline.Read<typeof ScanPipeline, "answer">,
        job: StageBehavior.StageJob<string>
      ) {
        if (rule === null) return { answer: withoutRule[input.language], use: null }
        const { answer, usage } = yield* model.answer({
          model: input.model,
          classification: vision.result,
          rule,
          userInput: input.userInput,
          language: input.language,
          region: input.region,
          onText: job.emit
        })
        return { answer, use: { provider: usage.provider, model: usage.model, simulated: usage.simulated } }
      })
    }),
    {
      retry: modelRetry,
      detail: saidBy,
      timeout,
      fallback: ({ input, rule, vision }, { ageMillis, isLast }) =>
        rule === null || !(isLast || ageMillis >= Duration.toMillis(patience))
          ? null
          : { answer: RuleAnswer.of(rule, vision.result, input.language), use: null, by: "rule" as const }
    }
  )

export const layer = Layer.unwrap(
  Effect.map(Effect.all([answerPatience, ModelTime]), ([patience, { answer }]) => stage(patience, answer))
)
