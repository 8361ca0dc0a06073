/**
 * HistoryStore: the table of kept scans. A scan that is already stored has no further effect; rows are inserted in key order, so
 * that two batches take their locks in one order.
 */
import { Migrations, Postgres, PostgresStatement } from "@eco2/core/postgres"
import { Effect, Schema } from "effect"
import { Language } from "../domain/Language.ts"
import type { KeptScan } from "./HistoryActor.ts"

export const migrations = Migrations.read("scan", new URL("./migrations/", import.meta.url))

const saveStatement = PostgresStatement.make({
  name: "kept-scan.save",
  text: `INSERT INTO scan.kept_scans (job_id, user_id, created_at, ended_at, language, major_category, middle_category,
      minor_category, user_answer, character, simulated)
    SELECT job_id, user_id, created_at, ended_at, language, major_category, middle_category, minor_category, user_answer,
      "character", simulated
    FROM jsonb_to_recordset($1::text::jsonb) AS row(job_id uuid, user_id text, created_at timestamptz, ended_at timestamptz,
      language text, major_category text, middle_category text, minor_category text, user_answer text, "character" text,
      simulated boolean)
    ORDER BY job_id
    ON CONFLICT DO NOTHING RETURNING job_id::text AS job_id`,
  row: Schema.Struct({ job_id: Schema.String })
})
const Rows = Schema.Struct({ rows: Schema.Int })
const forgetStatement = PostgresStatement.make({
  name: "kept-scan.forget",
  text: `WITH gone AS (
      DELETE FROM scan.kept_scans WHERE job_id IN (
        SELECT job_id FROM scan.kept_scans WHERE created_at < $1::text::timestamptz ORDER BY created_at LIMIT $2::int
      ) RETURNING 1
    ) SELECT count(*)::int AS rows FROM gone`,
  row: Rows
})

const forgetFeedbackStatement = PostgresStatement.make({
  name: "feedback.forget",
  text: `WITH gone AS (
      DELETE FROM scan.feedback WHERE job_id IN (
        SELECT job_id FROM scan.feedback WHERE given_at < $1::text::timestamptz ORDER BY given_at LIMIT $2::int
      ) RETURNING 1
    ) SELECT count(*)::int AS rows FROM gone`,
  row: Rows
})

const iso = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS ${column}`
const columns = `job_id::text AS job_id, ${iso("created_at")}, ${iso("ended_at")}, language, major_category, middle_category,
  minor_category, user_answer, "character", simulated`
/** A scan as it is read. */
export const StoredScan = Schema.Struct({
  job_id: Schema.String,
  /** ISO, UTC. */
  created_at: Schema.String,
  ended_at: Schema.String,
  language: Language,
  major_category: Schema.String,
  middle_category: Schema.String,
  minor_category: Schema.NullOr(Schema.String),
  user_answer: Schema.String,
  character: Schema.NullOr(Schema.String),
  simulated: Schema.Boolean
})
export type StoredScan = typeof StoredScan.Type

const pageStatement = PostgresStatement.make({
  name: "kept-scan.page",
  // ids as one JSON text, so that any number of them is one prepared statement
  text: `SELECT ${columns} FROM scan.kept_scans AS kept
    WHERE user_id = $1 AND job_id NOT IN (SELECT jsonb_array_elements_text($2::text::jsonb)::uuid)
      AND ($3::text IS NULL OR (kept.created_at, kept.job_id) < ($3::text::timestamptz, $4::text::uuid))
    ORDER BY kept.created_at DESC, kept.job_id DESC LIMIT $5::int`,
  row: StoredScan
})
const someStatement = PostgresStatement.make({
  name: "kept-scan.some",
  text: `SELECT ${columns} FROM scan.kept_scans
    WHERE user_id = $1 AND job_id IN (SELECT jsonb_array_elements_text($2::text::jsonb)::uuid)`,
  row: StoredScan
})

const isoOf = (millis: number) => new Date(millis).toISOString()

/** Returns the ids of the scans that were new. */
export const save = (scans: ReadonlyArray<KeptScan>) => {
  const rows = scans.map(({ answer, classification, created, ended, jobId, userId, ...rest }) => ({
    job_id: jobId,
    user_id: userId,
    created_at: isoOf(created),
    ended_at: isoOf(ended),
    user_answer: answer,
    ...classification,
    ...rest
  }))
  return Postgres.Postgres.use((postgres) => postgres.run(saveStatement, [JSON.stringify(rows)]))
}

/** Removes at most `most` scans submitted before `before`, epoch milliseconds; returns how many. */
export const forget = (before: number, most: number) =>
  Postgres.Postgres.use((postgres) => postgres.run(forgetStatement, [isoOf(before), most])).pipe(
    Effect.map(([row]) => row?.rows ?? 0)
  )

/** The same for feedback, by when it was given. */
export const forgetFeedback = (before: number, most: number) =>
  Postgres.Postgres.use((postgres) => postgres.run(forgetFeedbackStatement, [isoOf(before), most])).pipe(
    Effect.map(([row]) => row?.rows ?? 0)
  )

/** The place behind a scan in its user's list, the newest first. */
export interface Place {
  readonly createdAt: string
  readonly id: string
}

/** The user's scans behind `after`, the newest first, without some; at most `limit`. */
export const page = (
  userId: string,
  options: { readonly after: Place | null; readonly without: ReadonlyArray<string>; readonly limit: number }
) =>
  Postgres.Postgres.use((postgres) =>
    postgres.run(pageStatement, [
      userId,
      JSON.stringify(options.without),
      options.after?.createdAt ?? null,
      options.after?.id ?? null,
      options.limit
    ])
  )

/** Those of these scans that are kept and the user's. */
export const some = (userId: string, ids: ReadonlyArray<string>) =>
  Postgres.Postgres.use((postgres) => postgres.run(someStatement, [userId, JSON.stringify(ids)]))
