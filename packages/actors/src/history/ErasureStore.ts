/**
 * ErasureStore: erases what the tables have of a user, for good. A message that was sent before the erasure may be saved after it.
 * So the moment of the erasure is stored first, in a statement of its own, then rows from before that moment are removed; and
 * every saver, after it has stored a batch, removes what the batch had of such users. Whichever comes last finds the rows.
 */
import { Postgres, PostgresStatement } from "@eco2/core/postgres"
import { Effect, Schema } from "effect"
import { Erased, nothing } from "./UserData.ts"

const markStatement = PostgresStatement.make({
  name: "erasure.mark",
  text: `INSERT INTO users.erasures AS known (user_id, erased_at) VALUES ($1, $2::text::timestamptz)
    ON CONFLICT (user_id) DO UPDATE SET erased_at = greatest(known.erased_at, EXCLUDED.erased_at) RETURNING user_id`,
  row: Schema.Struct({ user_id: Schema.String })
})
/** Of the user's rows those from before the erasure; `$1`: the users, a JSON list. */
const removed = (table: string, time: string) =>
  `DELETE FROM ${table} AS row USING erased WHERE row.user_id = erased.user_id AND row.${time} <= erased.erased_at RETURNING 1`
const removeStatement = PostgresStatement.make({
  name: "erasure.remove",
  text: `WITH erased AS (
      SELECT user_id, erased_at FROM users.erasures
      WHERE user_id IN (SELECT jsonb_array_elements_text($1::text::jsonb))
    ), scans AS (${removed("scan.kept_scans", "created_at")}),
    shown AS (${removed("users.user_characters", "acquired_at")}),
    said AS (${removed("scan.feedback", "given_at")}),
    owned AS (${removed("character.character_ownerships", "acquired_at")})
    SELECT (SELECT count(*) FROM scans)::int AS scans, (SELECT count(*) FROM shown)::int AS characters,
      (SELECT count(*) FROM said)::int AS feedback`,
  row: Erased
})
const forgetStatement = PostgresStatement.make({
  name: "erasure.forget",
  text: "DELETE FROM users.erasures WHERE erased_at < $1::text::timestamptz RETURNING user_id",
  row: Schema.Struct({ user_id: Schema.String })
})

const iso = (millis: number) => new Date(millis).toISOString()

/** Removes what is stored of these users from before their erasure, if they have had one. Repeating it is safe. */
export const sweep = (users: ReadonlyArray<string>) =>
  Postgres.Postgres.use((postgres) => postgres.run(removeStatement, [JSON.stringify([...new Set(users)])])).pipe(
    Effect.map(([row]) => row ?? nothing)
  )

/** Erases what is stored of a user up to `at`, epoch milliseconds. Repeating it is safe. */
export const erase = (userId: string, at: number) =>
  Effect.andThen(
    Postgres.Postgres.use((postgres) => postgres.run(markStatement, [userId, iso(at)])),
    sweep([userId])
  )

/** Forgets erasures from before `before`, epoch milliseconds. */
export const forget = (before: number) =>
  Postgres.Postgres.use((postgres) => postgres.run(forgetStatement, [iso(before)]))
