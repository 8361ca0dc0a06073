/**
 * StoredFeedback: the contract Feedback, on Postgres. A user's bound is counted in the statement that stores; two at once may pass
 * it by one.
 */
import { Postgres, PostgresStatement } from "@eco2/core/postgres"
import type { PostgresError } from "@eco2/core/postgres"
import { Effect, Layer, Schema } from "effect"
import { Entry, Feedback, FeedbackUnavailable, mostADay } from "./Feedback.ts"

const giveStatement = PostgresStatement.make({
  name: "feedback.give",
  text: `WITH given AS (
      SELECT * FROM jsonb_to_record($1::text::jsonb) AS row(job_id uuid, user_id text, given_at timestamptz, language text,
        major_category text, middle_category text, minor_category text, model text, category text, comment text)
    ), stored AS (
      INSERT INTO scan.feedback (job_id, user_id, given_at, language, major_category, middle_category, minor_category, model,
        category, comment)
      SELECT given.* FROM given WHERE $2::int > (
        SELECT count(*) FROM scan.feedback AS other
        WHERE other.user_id = given.user_id AND other.job_id <> given.job_id
          AND other.given_at > given.given_at - interval '1 day'
      )
      ON CONFLICT (job_id) DO UPDATE SET given_at = EXCLUDED.given_at, language = EXCLUDED.language,
        category = EXCLUDED.category, comment = EXCLUDED.comment
      RETURNING 1
    ) SELECT EXISTS (SELECT 1 FROM stored) AS stored`,
  row: Schema.Struct({ stored: Schema.Boolean })
})
const listStatement = PostgresStatement.make({
  name: "feedback.list",
  text: `SELECT job_id::text AS job_id, to_char(given_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS given_at,
      language, major_category, middle_category, minor_category, model, category, comment
    FROM scan.feedback AS kept
    WHERE $1::text IS NULL OR (kept.given_at, kept.job_id) < ($1::text::timestamptz, $2::text::uuid)
    ORDER BY kept.given_at DESC, kept.job_id DESC LIMIT $3::int`,
  row: Entry
})

const unavailable = Effect.mapError(
  (error: PostgresError.PostgresError) => new FeedbackUnavailable({ reason: error.message })
)

export const layer: Layer.Layer<Feedback, never, Postgres.Postgres> = Layer.effect(
  Feedback,
  Effect.map(Postgres.Postgres, (postgres) =>
    Feedback.of({
      give: ({ at, category, comment, found, jobId, language, model, userId }) =>
        postgres
          .run(giveStatement, [
            JSON.stringify({
              job_id: jobId,
              user_id: userId,
              given_at: new Date(at).toISOString(),
              language,
              ...found,
              model,
              category,
              comment
            }),
            mostADay
          ])
          .pipe(
            Effect.map(([row]) => (row?.stored === true ? ("stored" as const) : ("full" as const))),
            unavailable
          ),
      list: ({ before, limit }) =>
        unavailable(postgres.run(listStatement, [before?.givenAt ?? null, before?.jobId ?? null, limit]))
    })
  )
)
