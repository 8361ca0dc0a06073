/**
 * SimulatedModel: the ports without a model, for trials, load tests and demonstrations: it calls no provider, costs nothing,
 * and says in every answer that it is simulated.
 * Deterministic: the same image and question give the same classification and answer in every process. Only failures are
 * random, drawn from Effect's Random, so that a seed fixes them too.
 */
import { createHash } from "node:crypto"
import { Duration, Effect, Random } from "effect"
import { defaultLanguage } from "../../domain/Language.ts"
import type { InLanguages } from "../../domain/Language.ts"
import type { Classification } from "../../domain/Scan.ts"
import {
  displayName,
  majorCategories,
  middleCategories,
  minorItems,
  RECYCLABLE,
  situationTags,
  UNCLASSIFIED
} from "../../domain/Waste.ts"
import { ModelUnavailable } from "../ModelError.ts"
import { numberedSteps } from "../ModelOutput.ts"
import type { ModelProvider } from "../ModelProvider.ts"
import { noTokens } from "../Usage.ts"
import type { Usage } from "../Usage.ts"
import type { Image } from "../VisionModel.ts"

const provider = "simulated"

export interface SimulatedSettings {
  readonly visionLatency: Duration.Duration
  readonly answerLatency: Duration.Duration
  /** Share of calls that fail with ModelUnavailable, 0 to 1; they take as long as the others. */
  readonly failureRate: number
}

export const make = ({ visionLatency, answerLatency, failureRate }: SimulatedSettings): ModelProvider => {
  const work = Effect.fnUntraced(function* (model: string, latency: Duration.Duration) {
    yield* Effect.sleep(latency)
    if ((yield* Random.next) < failureRate) {
      return yield* new ModelUnavailable({ provider, model, message: "a simulated outage (SIMULATED_FAILURE_RATE)" })
    }
  })
  /** The same time, in which the text grows word by word. */
  const spoken = Effect.fnUntraced(function* (model: string, text: string, onText: (textSoFar: string) => void) {
    const ends = [...text.matchAll(/\s|$/g)].map(({ index }) => index).filter((index) => index > 0)
    for (const end of ends) {
      yield* Effect.sleep(Duration.divideUnsafe(answerLatency, ends.length))
      onText(text.slice(0, end))
    }
    yield* work(model, Duration.zero)
  })
  return {
    probe: (model) => Effect.succeed(usageOf(model)),
    classify: Effect.fn("VisionModel.classify", { attributes: { provider } })(function* ({ model, image, userInput }) {
      yield* work(model, visionLatency)
      const draw = drawsOf(image, userInput)
      return { classification: classificationBy(draw), situationTags: tagsBy(draw), usage: usageOf(model) }
    }),
    answer: Effect.fn("AnswerModel.answer", { attributes: { provider } })(function* ({
      model,
      classification: { classification, situation_tags },
      rule,
      userInput,
      language = defaultLanguage,
      onText
    }) {
      const item = classification.minor_category ?? rule.name
      const seen = situation_tags.map((tag) => displayName(tag, language)).join(", ")
      const text = simulatedAnswer[language]({
        item: displayName(item, language),
        rule: `${rule.category}(${rule.name})`,
        seen,
        question: quoted(userInput)
      })
      if (onText === undefined) yield* work(model, answerLatency)
      else yield* spoken(model, text, onText)
      return {
        answer: { disposal_steps: numberedSteps(rule.common_steps), insufficiencies: [], user_answer: text },
        usage: usageOf(model)
      }
    })
  }
}

interface Said {
  readonly item: string
  readonly rule: string
  /** States, "" for none. */
  readonly seen: string
  readonly question: string
}
const simulatedAnswer: InLanguages<(said: Said) => string> = {
  ko: ({ item, question, rule, seen }) =>
    `[모의 응답] 실제 모델이 아니라 배출 규정 문서에서 만든 답입니다. '${item}'은(는) ${rule} 규정에 따라 배출합니다.` +
    `${seen === "" ? "" : ` 사진에서 확인한 상태는 ${seen}입니다.`} 질문: ${question}`,
  en: ({ item, question, rule, seen }) =>
    `[Simulated answer] Made from the rule document, not by a model. Dispose of "${item}" by the rule ${rule}.` +
    `${seen === "" ? "" : ` Seen on the photo: ${seen}.`} Question: ${question}`
}

const usageOf = (model: string): Usage => ({ provider, model, simulated: true, ...noTokens })

const quoted = (text: string) => `“${Array.from(text.trim()).slice(0, 80).join("")}”`

/** A sequence of whole numbers below `bound`, determined by image and question. */
type Draw = (bound: number) => number

const drawsOf = (image: Image, userInput: string): Draw => {
  const digest = createHash("sha256")
    .update(image._tag === "Url" ? image.url : image.bytes)
    .update("\0")
    .update(userInput)
    .digest()
  let at = 0
  return (bound) => {
    const value = digest.readUInt32BE(at % 32)
    at += 4
    return value % bound
  }
}

const pick = <A>(draw: Draw, values: ReadonlyArray<A>): A => {
  const value = values[draw(values.length)]
  if (value === undefined) throw new Error("the taxonomy has an empty list")
  return value
}

const otherMajors = majorCategories.filter((major) => major !== RECYCLABLE && major !== UNCLASSIFIED)

/** Of 100 images about 77 show a recyclable, 20 something else, and 3 nothing that can be recognised. */
const classificationBy = (draw: Draw): Classification => {
  const share = draw(100)
  if (share >= 97) return { major_category: UNCLASSIFIED, middle_category: "", minor_category: null }
  if (share >= 77) {
    const major = pick(draw, otherMajors)
    return { major_category: major, middle_category: "", minor_category: pick(draw, minorItems[major]) }
  }
  const middle = pick(draw, middleCategories)
  return { major_category: RECYCLABLE, middle_category: middle, minor_category: pick(draw, minorItems[middle]) }
}

const allTags = Object.values(situationTags).flat()

const tagsBy = (draw: Draw): ReadonlyArray<string> => [
  ...new Set(Array.from({ length: draw(3) }, () => pick(draw, allTags)))
]
