/**
 * CharacterStore: the catalogue as Postgres has it. Whoever changes it tells the workers afterwards (CharacterAdmin); they
 * hold it in memory (CharacterCatalog).
 */
import { Migrations, Postgres, PostgresStatement } from "@eco2/core/postgres"
import { Effect, Schema } from "effect"
import { Character, characters } from "../domain/Character.ts"
import * as CharacterId from "../domain/CharacterId.ts"

/** A character that is stored: it has an id. */
export const StoredCharacter = Schema.Struct({ ...Character.fields, id: Schema.String })
export type StoredCharacter = typeof StoredCharacter.Type

/** What the tables of this package are made by. */
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

/** As it is given to a statement. */
const row = (character: Character) => ({ ...character, id: character.id ?? CharacterId.ofCharacter(character.code) })

/** The whole catalogue, in the order it came about. */
export const list = Postgres.Postgres.use((postgres) => postgres.run(listStatement))

/** Fills a catalogue that is empty with the thirteen; how many it stored. One that an operator has changed stays as it is. */
export const seed = Effect.map(
  Postgres.Postgres.use((postgres) => postgres.run(seedStatement, [JSON.stringify(characters.map(row))])),
  (stored) => stored.length
)

/** Stores a character under its code, new or in place of what was there; as it is stored now. */
export const upsert = (character: Character) =>
  Postgres.Postgres.use((postgres) => postgres.run(upsertStatement, [JSON.stringify([row(character)])])).pipe(
    // the statement answers with the one row it was given
    Effect.map(([stored]) => stored!)
  )

/** Deletes the character of this code; its id, null where there was none. */
export const remove = (code: string) =>
  Effect.map(
    Postgres.Postgres.use((postgres) => postgres.run(removeStatement, [code])),
    ([removed]) => removed?.id ?? null
  )
