/**
 * CharacterStore: the catalogue in Postgres. CharacterAdmin publishes each change to the workers, which hold the catalogue in
 * memory (CharacterCatalog).
 */
import { Migrations, Postgres, PostgresStatement } from "@eco2/core/postgres"
import { Effect, Schema } from "effect"
import { Character, characters } from "../domain/Character.ts"
import * as CharacterId from "../domain/CharacterId.ts"

/** A character as stored, with its id. */
export const StoredCharacter = Schema.Struct({ ...Character.fields, id: Schema.String })
export type StoredCharacter = typeof StoredCharacter.Type

/** The migrations that create this package's tables. */
export const migrations = Migrations.read("character", new URL("./migrations/", import.meta.url))

const columns = "id, code, name, match_label, type, dialog"
const given =
  "jsonb_to_recordset($1::text::jsonb) AS row(id uuid, code text, name text, match_label text, type text, dialog text)"

const listStatement = PostgresStatement.make({
  name: "character.list",
  text: `SELECT ${columns} FROM character.characters ORDER BY created_at, code`,
  row: StoredCharacter
})
const seedStatement = PostgresStatement.make({
  name: "character.seed",
  text: `INSERT INTO character.characters (${columns}) SELECT ${columns} FROM ${given}
    WHERE NOT EXISTS (SELECT 1 FROM character.characters) ON CONFLICT DO NOTHING RETURNING code`,
  row: Schema.Struct({ code: Schema.String })
})
const upsertStatement = PostgresStatement.make({
  name: "character.upsert",
  text: `INSERT INTO character.characters (${columns}) SELECT ${columns} FROM ${given}
    ON CONFLICT (code) DO UPDATE SET name = EXCLUDED.name, match_label = EXCLUDED.match_label, type = EXCLUDED.type,
      dialog = EXCLUDED.dialog, updated_at = now()
    RETURNING ${columns}`,
  row: StoredCharacter
})
const removeStatement = PostgresStatement.make({
  name: "character.remove",
  text: "DELETE FROM character.characters WHERE code = $1 RETURNING id",
  row: Schema.Struct({ id: Schema.String })
})

/** A character as a statement's parameter. */
const row = (character: Character) => ({ ...character, id: character.id ?? CharacterId.ofCharacter(character.code) })

/** The whole catalogue, in order of insertion. */
export const list = Postgres.Postgres.use((postgres) => postgres.run(listStatement))

/** Stores the thirteen characters if the catalogue is empty; returns how many it stored. A catalogue with content is not changed. */
export const seed = Effect.map(
  Postgres.Postgres.use((postgres) => postgres.run(seedStatement, [JSON.stringify(characters.map(row))])),
  (stored) => stored.length
)

/** Inserts or replaces the character with this code; returns it as stored. */
export const upsert = (character: Character) =>
  Postgres.Postgres.use((postgres) => postgres.run(upsertStatement, [JSON.stringify([row(character)])])).pipe(
    // the statement returns one row for each it was given
    Effect.map(([stored]) => stored!)
  )

/** Deletes the character with this code; returns its id, or null if there is none. */
export const remove = (code: string) =>
  Effect.map(
    Postgres.Postgres.use((postgres) => postgres.run(removeStatement, [code])),
    ([removed]) => removed?.id ?? null
  )
