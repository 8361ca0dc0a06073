/**
 * RewardStore: writes what users have earned to Postgres, many rows in one statement. A key that repeats in a batch, or that is
 * already stored, has no further effect. Rows are inserted in key order, so that two batches take their locks in one order.
 */
import { Postgres, PostgresStatement } from "@eco2/core/postgres"
import { Schema } from "effect"
import * as CharacterId from "../domain/CharacterId.ts"

/** Who earned which character, when and from what. */
export const Ownership = Schema.Struct({
  userId: Schema.NonEmptyString,
  characterId: Schema.NonEmptyString,
  code: Schema.NonEmptyString,
  source: Schema.NonEmptyString,
  /** Epoch milliseconds. */
  acquired: Schema.Int,
  /** The scan that earned it; absent in messages of earlier versions. */
  scanId: Schema.optionalKey(Schema.String)
})
export type Ownership = typeof Ownership.Type

/** An ownership with what the user is shown. */
export const UserCharacter = Schema.Struct({
  ...Ownership.fields,
  name: Schema.NonEmptyString,
  type: Schema.NonEmptyString,
  dialog: Schema.NonEmptyString
})
export type UserCharacter = typeof UserCharacter.Type

const Code = Schema.Struct({ code: Schema.String })

const ownershipStatement = PostgresStatement.make({
  name: "ownership.save",
  text: `INSERT INTO character.character_ownerships
      (id, user_id, character_id, character_code, source, status, acquired_at, updated_at)
    SELECT id, user_id, character_id, code, source, 'owned', acquired_at, acquired_at
    FROM jsonb_to_recordset($1::text::jsonb) AS row(id uuid, user_id text, character_id uuid, code text, source text,
      acquired_at timestamptz)
    ORDER BY user_id, code
    ON CONFLICT DO NOTHING RETURNING character_code AS code`,
  row: Code
})
const userCharacterStatement = PostgresStatement.make({
  name: "user-character.save",
  // of rows with one key the latest name, type and dialog, and the first acquisition: one statement cannot update a row twice.
  // What was earned before its user's data was erased does not touch what was earned since
  text: `INSERT INTO users.user_characters AS held
      (id, user_id, character_id, code, name, type, dialog, source, status, acquired_at, updated_at, scan_id)
    SELECT DISTINCT ON (user_id, code)
      id, user_id, character_id, code, name, type, dialog, source, 'owned', min(acquired_at) OVER same, acquired_at,
      first_value(scan_id) OVER (same ORDER BY acquired_at)
    FROM jsonb_to_recordset($1::text::jsonb) AS row(id uuid, user_id text, character_id uuid, code text, name text,
      type text, dialog text, source text, acquired_at timestamptz, scan_id text)
    WHERE NOT EXISTS (
      SELECT 1 FROM users.erasures AS erased WHERE erased.user_id = row.user_id AND row.acquired_at <= erased.erased_at
    )
    WINDOW same AS (PARTITION BY user_id, code)
    ORDER BY user_id, code, acquired_at DESC
    ON CONFLICT (user_id, code) DO UPDATE SET
      name = CASE WHEN held.updated_at < EXCLUDED.updated_at THEN EXCLUDED.name ELSE held.name END,
      type = CASE WHEN held.updated_at < EXCLUDED.updated_at THEN EXCLUDED.type ELSE held.type END,
      dialog = CASE WHEN held.updated_at < EXCLUDED.updated_at THEN EXCLUDED.dialog ELSE held.dialog END,
      updated_at = greatest(held.updated_at, EXCLUDED.updated_at),
      scan_id = CASE WHEN EXCLUDED.acquired_at < held.acquired_at THEN EXCLUDED.scan_id ELSE held.scan_id END,
      acquired_at = least(held.acquired_at, EXCLUDED.acquired_at)
      WHERE held.updated_at < EXCLUDED.updated_at OR EXCLUDED.acquired_at < held.acquired_at
    RETURNING held.code`,
  row: Code
})

const common = (ownership: Ownership) => ({
  user_id: ownership.userId,
  character_id: ownership.characterId,
  code: ownership.code,
  source: ownership.source,
  acquired_at: new Date(ownership.acquired).toISOString()
})

/** Returns the codes of the rows that were new. */
export const saveOwnerships = (ownerships: ReadonlyArray<Ownership>) => {
  const rows = ownerships.map((one) => ({ id: CharacterId.ofOwnership(one.userId, one.code), ...common(one) }))
  return Postgres.Postgres.use((postgres) => postgres.run(ownershipStatement, [JSON.stringify(rows)]))
}

/** Returns the codes of the rows that were new, or that had an older name, type or dialog, or a later acquisition. */
export const saveUserCharacters = (earned: ReadonlyArray<UserCharacter>) => {
  const rows = earned.map((one) => ({
    id: CharacterId.ofUserCharacter(one.userId, one.code),
    name: one.name,
    type: one.type,
    dialog: one.dialog,
    scan_id: one.scanId ?? null,
    ...common(one)
  }))
  return Postgres.Postgres.use((postgres) => postgres.run(userCharacterStatement, [JSON.stringify(rows)]))
}
