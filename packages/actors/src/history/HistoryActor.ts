/**
 * HistoryActor: the protocol of the actor that keeps finished scans in Postgres, longer than their jobs are in Redis.
 *   - `KeepScan`: told by a scan with its last commit, so that a scan that is done is kept: never lost, and stored once
 *   - `ForgetScans`: told by a schedule; removes what is older than SCAN_RETENTION
 */
import { Actor } from "@eco2/core/client"
import { Schema } from "effect"
import { Language } from "../domain/Language.ts"
import { Classification } from "../domain/Scan.ts"

/** A done scan: whose, when (epoch milliseconds), what, the answer, and the name of the character that it earned. */
export const KeptScan = Schema.Struct({
  jobId: Schema.NonEmptyString,
  userId: Schema.NonEmptyString,
  created: Schema.Int,
  ended: Schema.Int,
  language: Language,
  classification: Classification,
  answer: Schema.String,
  character: Schema.NullOr(Schema.String),
  simulated: Schema.Boolean
})
export type KeptScan = typeof KeptScan.Type

/** Characters of an answer that are kept; a model's longest answers are far below. */
const mostAnswer = 4_000
/** An answer as it is kept. Postgres stores no NUL, and no half of a surrogate pair, which the cut may leave. */
export const keptAnswer = (answer: string): string => answer.replaceAll("\0", "").slice(0, mostAnswer).toWellFormed()

/** `at`: epoch milliseconds; the age of a scan is counted to it. */
export const ForgetScans = Schema.Struct({ at: Schema.Int })
export type ForgetScans = typeof ForgetScans.Type

export const HistoryActor = Actor.make("history", {
  KeepScan: Actor.tell({ payload: KeptScan }),
  ForgetScans: Actor.tell({ payload: ForgetScans })
})
