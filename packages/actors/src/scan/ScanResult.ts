/**
 * ScanResult: a scan job as its client reads it, in any state. The only place that builds a result's wire shape, for
 * `GET …/result` and for the event that ends a stream. Pure.
 */
import { Job, Pipeline } from "@eco2/core/client"
import { Effect, Option, Result, Schema } from "effect"
import { DisposalRule } from "../domain/Disposal.ts"
import { defaultLanguage } from "../domain/Language.ts"
import type { InLanguages } from "../domain/Language.ts"
import type { Language } from "../domain/Language.ts"
import { ClassificationView, FinalAnswer, Reward } from "../domain/Scan.ts"
import type { ClassificationResult } from "../domain/Scan.ts"
import { displayName, RECYCLABLE } from "../domain/Waste.ts"
import { isEligible, mayBeEligible } from "./Eligibility.ts"
import { ScanPipeline, ScanRequest } from "./ScanPipeline.ts"
import type { AnswerOutput } from "./ScanPipeline.ts"

export const ScanError = Schema.Struct({
  code: Schema.String,
  message: Schema.optionalKey(Schema.String),
  stage: Schema.optionalKey(Schema.String),
  attempts: Schema.optionalKey(Schema.Int)
})

/** `received`: whether the character was new to the user; absent where it is not known. */
const RewardView = Schema.Struct({ ...Reward.fields, received: Schema.optionalKey(Schema.Boolean) })

/** The result body: the parts of finished stages are filled in, however the job ended. */
export const ScanResult = Schema.Struct({
  task_id: Schema.String,
  status: Schema.Literals(["completed", "failed", "cancelled"]),
  message: Schema.String,
  /** Null: a finished part cannot be read; clients that look into the others would stumble over it. */
  pipeline_result: Schema.NullOr(
    Schema.Struct({
      classification_result: Schema.NullOr(ClassificationView),
      disposal_rules: Schema.NullOr(DisposalRule),
      final_answer: Schema.NullOr(FinalAnswer)
    })
  ),
  reward: Schema.NullOr(RewardView),
  error: Schema.NullOr(ScanError),
  /** `llm_provider`, `llm_model`, `simulated`, `answer_model`, `reward_pending` (true: an earned reward is still being decided), `created_at`, `attempts`, `duration_<stage>_ms`, `duration_total_ms`, `wait_ms`, and the sums of its model calls (`spentOn`). */
  metadata: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Number, Schema.Boolean, Schema.Null]))
})
export type ScanResult = typeof ScanResult.Type

const statuses = { done: "completed", failed: "failed", cancelled: "cancelled" } as const
const messages: InLanguages<Readonly<Record<keyof typeof statuses, string>>> = {
  ko: {
    done: "분류가 완료되었습니다.",
    failed: "분류를 완료하지 못했습니다.",
    cancelled: "분류가 취소되었습니다."
  },
  en: {
    done: "The classification is complete.",
    failed: "The classification could not be completed.",
    cancelled: "The classification was cancelled."
  }
}

/** On the wire a major without middles is its own middle: clients show the middle alone. */
const middleOnWire = ({ major_category, middle_category }: ClassificationResult["classification"]): string =>
  middle_category === "" && major_category !== RECYCLABLE ? major_category : middle_category

/** A classification as clients read it, in the job's language. */
export const viewOf = (found: ClassificationResult, language: Language): ClassificationView => {
  const middle_category = middleOnWire(found.classification)
  const result = { ...found, classification: { ...found.classification, middle_category } }
  if (language === "ko") return result
  const { major_category, minor_category } = result.classification
  const display = (key: string) => displayName(key, language)
  return {
    ...result,
    display: {
      major_category: display(major_category),
      middle_category: display(middle_category),
      minor_category: minor_category === null ? null : display(minor_category),
      situation_tags: result.situation_tags.map(display)
    }
  }
}

const partsOf = (job: Job.Job) => Pipeline.parts(ScanPipeline, job)

/** A failure as its owner is told it: without what is for operators. */
const toldOf = ({ attempts, code, message, stage }: Job.JobFailure): typeof ScanError.Type => ({
  code: errorCode(code),
  ...(message === undefined ? {} : { message }),
  ...(stage === undefined ? {} : { stage }),
  ...(attempts === undefined ? {} : { attempts })
})

/** Who wrote the answer: a model's name, or `rule` where the rule's own steps are the answer. */
const answeredBy = (answer: typeof AnswerOutput.Type | undefined) =>
  answer === undefined || (answer.use === null && answer.by === undefined)
    ? {}
    : { answer_model: answer.use?.model ?? answer.by ?? null }

/** An eligible scan of a user that is done without a reward: it could not be decided in time, and is decided later. */
const pendingOf = (
  job: Job.Job,
  { answer, reward, rule, vision }: Effect.Success<ReturnType<typeof partsOf>>["outputs"]
): { readonly reward_pending?: true } =>
  job.state === "done" &&
  job.owner !== "" &&
  reward === null &&
  vision !== undefined &&
  answer !== undefined &&
  isEligible(vision.result.classification, rule?.key ?? null, answer.answer.insufficiencies.length)
    ? { reward_pending: true }
    : {}

/**
 * Whether the scan's owner has, or may still get, a character from it that need not be saved yet: it has earned one, it is done
 * and still to be decided, or it is open and nothing it has found rules one out.
 */
export const mayBring = Effect.fnUntraced(function* (job: Job.Job): Effect.fn.Return<boolean> {
  const { outputs } = yield* partsOf(job)
  if (Job.isOver(job.state)) return (outputs.reward ?? null) !== null || pendingOf(job, outputs).reward_pending === true
  const { answer, reward, rule, vision } = outputs
  return (
    reward !== null &&
    mayBeEligible(
      vision?.result.classification,
      rule === undefined ? undefined : (rule?.key ?? null),
      answer?.answer.insufficiencies.length
    )
  )
})

/** What the job's model calls have cost, where it made any: `cost` in the currency of the prices, of the calls that have a price. */
const spentOn = ({ spent }: Job.Job) =>
  spent === undefined
    ? {}
    : {
        calls_ok: spent.ok,
        calls_billed_bad: spent.billedBad,
        calls_uncertain: spent.uncertain,
        calls_free: spent.free,
        tokens: spent.tokens,
        cost: spent.cost / 1_000_000
      }

const stillOpen: InLanguages<string> = { ko: "분류가 진행 중입니다.", en: "The classification is in progress." }
const readJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))
const readLanguage = Schema.decodeUnknownOption(Schema.Struct({ language: ScanRequest.fields.language }))
const languageOf = (input: unknown): Language =>
  Option.match(readLanguage(input), { onNone: () => defaultLanguage, onSome: ({ language }) => language })

/** What the client of a scan that is still open is told, in the scan's language. */
export const openMessage = ({ input }: Job.Job): string => stillOpen[languageOf(input)]

/** The code of a done scan whose parts this version cannot read: it ends as failed, so that clients stop asking. */
const resultUnreadable = "RESULT_UNREADABLE"

/**
 * The result of a scan job; null while the job is open. With a checkpoint that this version of the code cannot read there is no
 * `pipeline_result`. A done job with such a checkpoint is reported as failed with RESULT_UNREADABLE, because clients
 * would take `completed` with gaps for an answer, and would retry a server error without end.
 */
export const ofJob = Effect.fnUntraced(function* (job: Job.Job): Effect.fn.Return<ScanResult | null> {
  const { state: ended } = job
  if (ended !== "done" && ended !== "failed" && ended !== "cancelled") return null
  const { input, outputs, unreadable } = yield* partsOf(job)
  for (const [part, reason] of unreadable) {
    yield* Effect.logError("part of a result is unreadable").pipe(
      Effect.annotateLogs({ job_id: job.id, part, reason: reason.slice(0, 500) })
    )
  }
  const unread = [...unreadable.keys()].find((part) => part !== "input")
  const lost = ended === "done" ? unread : undefined
  const state = lost === undefined ? ended : "failed"
  const error =
    lost === undefined
      ? job.error
      : {
          code: resultUnreadable,
          message: "a finished part cannot be read by this version of the service",
          stage: lost
        }
  const use = outputs.vision?.use ?? null
  const language = input?.language ?? defaultLanguage
  return {
    task_id: job.id,
    status: statuses[state],
    message: messages[language][state],
    pipeline_result:
      unread !== undefined
        ? null
        : {
            classification_result: outputs.vision === undefined ? null : viewOf(outputs.vision.result, language),
            disposal_rules: outputs.rule ?? null,
            final_answer: outputs.answer?.answer ?? null
          },
    reward: outputs.reward ?? null,
    error: error === undefined ? null : toldOf(error),
    metadata: {
      llm_provider: use?.provider ?? null,
      llm_model: use?.model ?? input?.model ?? null,
      simulated: use?.simulated ?? false,
      ...answeredBy(outputs.answer),
      ...pendingOf(job, outputs),
      created_at: new Date(job.created).toISOString(),
      attempts: job.tries,
      ...Object.fromEntries(
        job.plan.flatMap(({ name }) => {
          const millis = job.workMillis.get(name)
          return millis === undefined ? [] : [[`duration_${name}_ms`, millis]]
        })
      ),
      duration_total_ms: (job.ended ?? job.created) - job.created,
      wait_ms: job.wait,
      ...spentOn(job)
    }
  }
})

/** What a done scan took the item for, in which language it answered and by which model; `found` null: it has no answer. */
export const factsOf = Effect.fnUntraced(function* (job: Job.Job) {
  const { input, outputs } = yield* partsOf(job)
  const found = job.state === "done" ? outputs.vision?.result.classification : undefined
  return {
    found: found ?? null,
    language: input?.language ?? defaultLanguage,
    model: outputs.vision?.use.model ?? null
  }
})

/** Stages whose `completed` event carries what they found, so that clients can show it before the job is done. */
export const shownEarly: ReadonlySet<string> = new Set(["vision", "rule"])

/**
 * What a finished stage of `shownEarly` has found: the classification, the rule document or null; null where it is unreadable.
 * `stored`: JobStore.output.
 */
export const ofStage = (
  stage: string,
  stored: { readonly output: string; readonly input: string }
): ClassificationView | DisposalRule | null => {
  if (stage === "rule") return Result.getOrElse(Pipeline.output(ScanPipeline, stage, stored.output), () => null)
  if (stage !== "vision") return null
  const found = Pipeline.output(ScanPipeline, stage, stored.output)
  return Result.isFailure(found)
    ? null
    : viewOf(found.success.result, languageOf(Option.getOrNull(readJson(stored.input))))
}

/** The result of a scan whose job the store has lost: what was finished is lost too. */
export const ofLost = (id: string): ScanResult => ({
  task_id: id,
  status: "failed",
  message: messages[defaultLanguage].failed,
  pipeline_result: { classification_result: null, disposal_rules: null, final_answer: null },
  reward: null,
  error: { code: "JOB_LOST", message: "the store has lost this job; submit it again" },
  metadata: {
    llm_provider: null,
    llm_model: null,
    simulated: false,
    attempts: null,
    duration_total_ms: null,
    wait_ms: null
  }
})

/** A failure's tag as the API's error code: `ModelTimeout` → `MODEL_TIMEOUT`. */
export const errorCode = (tag: string): string => tag.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase()
