/**
 * ScanSummary: a scan in a list of its user's scans, as its client reads it, in any state: when, what, and what it earned. Parts
 * that this version cannot read are null. ScanResult has the whole while Redis has the job; later Postgres keeps the summary of a
 * done scan alone. Pure.
 */
import { Pipeline } from "@eco2/core/client"
import type { Job } from "@eco2/core/client"
import { Effect, Schema } from "effect"
import { defaultLanguage } from "../domain/Language.ts"
import type { Language } from "../domain/Language.ts"
import { Classification } from "../domain/Scan.ts"
import type { StoredScan } from "../history/HistoryStore.ts"
import { ScanPipeline } from "./ScanPipeline.ts"
import { viewOf } from "./ScanResult.ts"

export const ScanSummary = Schema.Struct({
  job_id: Schema.String,
  status: Schema.Literals(["processing", "completed", "failed", "cancelled"]),
  /** ISO, UTC. */
  created_at: Schema.String,
  ended_at: Schema.NullOr(Schema.String),
  /** The photo's address, for a scan that was submitted with one. */
  image_url: Schema.NullOr(Schema.String),
  user_input: Schema.NullOr(Schema.String),
  classification: Schema.NullOr(Classification),
  /** Its words as people read them, in the job's language; absent where they are the taxonomy's own, which are Korean. */
  display: Schema.optionalKey(Classification),
  user_answer: Schema.NullOr(Schema.String),
  /** The name of the character that it earned. */
  character: Schema.NullOr(Schema.String),
  simulated: Schema.Boolean,
  /** Null: the whole result is no longer there. */
  result_url: Schema.NullOr(Schema.String)
})
export type ScanSummary = typeof ScanSummary.Type

const statuses: Readonly<Partial<Record<Job.JobState, ScanSummary["status"]>>> = {
  done: "completed",
  failed: "failed",
  cancelled: "cancelled"
}

const isoOf = (millis: number) => new Date(millis).toISOString()

/** A classification as clients read it, with its words in the scan's language. */
const classified = (classification: Classification, language: Language) => {
  const view = viewOf({ classification, situation_tags: [], meta: { user_input: "" } }, language)
  if (view.display === undefined) return { classification: view.classification }
  const { major_category, middle_category, minor_category } = view.display
  return { classification: view.classification, display: { major_category, middle_category, minor_category } }
}

export const ofJob = Effect.fnUntraced(function* (job: Job.Job): Effect.fn.Return<ScanSummary> {
  const { input, outputs } = yield* Pipeline.parts(ScanPipeline, job)
  const vision = outputs.vision?.result
  return {
    job_id: job.id,
    status: statuses[job.state] ?? "processing",
    created_at: isoOf(job.created),
    ended_at: job.ended === undefined ? null : isoOf(job.ended),
    image_url: input?.image.url ?? null,
    user_input: input?.userInput ?? null,
    ...(vision === undefined
      ? { classification: null }
      : classified(vision.classification, input?.language ?? defaultLanguage)),
    user_answer: outputs.answer?.answer.user_answer ?? null,
    character: outputs.reward?.name ?? null,
    simulated: outputs.vision?.use.simulated ?? false,
    result_url: `/api/v1/scan/${job.id}/result`
  }
})

/** A scan whose job Redis no longer has. */
export const ofStored = (scan: StoredScan): ScanSummary => ({
  job_id: scan.job_id,
  status: "completed",
  created_at: scan.created_at,
  ended_at: scan.ended_at,
  image_url: null,
  user_input: null,
  ...classified(
    {
      major_category: scan.major_category,
      middle_category: scan.middle_category,
      minor_category: scan.minor_category
    },
    scan.language
  ),
  user_answer: scan.user_answer,
  character: scan.character,
  simulated: scan.simulated,
  result_url: null
})
