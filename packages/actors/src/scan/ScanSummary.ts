/**
 * ScanSummary: a scan in a list of its user's scans, as its client reads it, in any state: when, what, and what it earned. Parts
 * that this version cannot read are null. ScanResult has the whole. Pure.
 */
import { Pipeline } from "@eco2/core/client"
import type { Job } from "@eco2/core/client"
import { Effect, Schema } from "effect"
import { defaultLanguage } from "../domain/Language.ts"
import { Classification } from "../domain/Scan.ts"
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
  result_url: Schema.String
})
export type ScanSummary = typeof ScanSummary.Type

const statuses: Readonly<Partial<Record<Job.JobState, ScanSummary["status"]>>> = {
  done: "completed",
  failed: "failed",
  cancelled: "cancelled"
}

const isoOf = (millis: number) => new Date(millis).toISOString()

export const ofJob = Effect.fnUntraced(function* (job: Job.Job): Effect.fn.Return<ScanSummary> {
  const { input, outputs } = yield* Pipeline.parts(ScanPipeline, job)
  const vision = outputs.vision?.result
  const view = vision === undefined ? null : viewOf(vision, input?.language ?? defaultLanguage)
  const display = view?.display
  return {
    job_id: job.id,
    status: statuses[job.state] ?? "processing",
    created_at: isoOf(job.created),
    ended_at: job.ended === undefined ? null : isoOf(job.ended),
    image_url: input?.image._tag === "Url" ? input.image.url : null,
    user_input: input?.userInput ?? null,
    classification: view?.classification ?? null,
    ...(display === undefined
      ? {}
      : {
          display: {
            major_category: display.major_category,
            middle_category: display.middle_category,
            minor_category: display.minor_category
          }
        }),
    user_answer: outputs.answer?.answer.user_answer ?? null,
    character: outputs.reward?.name ?? null,
    simulated: outputs.vision?.use.simulated ?? false,
    result_url: `/api/v1/scan/${job.id}/result`
  }
})
