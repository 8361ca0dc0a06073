/**
 * RuleAnswer: the answer that costs nothing: the rule document's own steps, when no model can put them into the user's words. It
 * says so. Pure; AnswerStage falls back to it.
 */
import type { DisposalRule } from "../domain/Disposal.ts"
import type { InLanguages, Language } from "../domain/Language.ts"
import type { ClassificationResult, FinalAnswer } from "../domain/Scan.ts"
import { numberedSteps } from "../model/ModelOutput.ts"

const words: InLanguages<(name: string) => string> = {
  ko: (name) => `지금은 질문에 맞춘 답을 쓸 수 없어, '${name}'의 배출 규정에 있는 단계를 그대로 보여 드립니다.`,
  en: (name) =>
    `An answer to your question cannot be written just now. These are the steps of the disposal rule for "${name}".`
}

/** The rule's steps for everything, then those for the item's own kind. */
export const of = (rule: DisposalRule, { classification }: ClassificationResult, language: Language): FinalAnswer => {
  const minor = classification.minor_category
  const [kind] = Object.entries(rule.sub_items).find(([, items]) => minor !== null && items.includes(minor)) ?? []
  const own = kind === undefined ? [] : (rule.detailed_steps[kind] ?? [])
  return {
    disposal_steps: numberedSteps([...rule.common_steps, ...own]),
    insufficiencies: [],
    user_answer: words[language](rule.name)
  }
}
