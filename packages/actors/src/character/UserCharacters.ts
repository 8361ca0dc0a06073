/** UserCharacters: the read contract of Characters, on Postgres. */
import { Postgres, PostgresStatement } from "@eco2/core/postgres"
import type { PostgresError } from "@eco2/core/postgres"
import { Clock, Effect, Layer, Schema } from "effect"
import { defaultCharacter, textsIn } from "../domain/Character.ts"
import * as CharacterId from "../domain/CharacterId.ts"
import { displayName } from "../domain/Waste.ts"
import { Characters, CharactersUnavailable, OwnedCharacter } from "./Characters.ts"
import * as CharacterStore from "./CharacterStore.ts"

const ofUserStatement = PostgresStatement.make({
  name: "user-character.list",
  text: `SELECT character_id AS id, code, name, type, dialog,
      to_char(acquired_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS acquired_at
    FROM users.user_characters WHERE user_id = $1 ORDER BY user_characters.acquired_at, code`,
  row: OwnedCharacter
})
const grantStatement = PostgresStatement.make({
  name: "user-character.grant",
  // writes both tables or none; the default character as in the catalogue, or the built-in one if it is not there
  text: `WITH given AS (
      SELECT row.id, row.ownership_id, row.user_id, coalesce(known.id, row.character_id) AS character_id, row.code,
        coalesce(known.name, row.name) AS name, coalesce(known.type, row.type) AS type,
        coalesce(known.dialog, row.dialog) AS dialog, row.acquired_at
      FROM jsonb_to_record($1::text::jsonb) AS row(id uuid, ownership_id uuid, user_id text, character_id uuid, code text,
        name text, type text, dialog text, acquired_at timestamptz)
      LEFT JOIN character.characters known ON known.code = row.code
    ), owned AS (
      INSERT INTO character.character_ownerships
        (id, user_id, character_id, character_code, source, status, acquired_at, updated_at)
      SELECT ownership_id, user_id, character_id, code, 'default', 'owned', acquired_at, acquired_at FROM given
      ON CONFLICT DO NOTHING
    )
    INSERT INTO users.user_characters
      (id, user_id, character_id, code, name, type, dialog, source, status, acquired_at, updated_at)
    SELECT id, user_id, character_id, code, name, type, dialog, 'default', 'owned', acquired_at, acquired_at FROM given
    ON CONFLICT DO NOTHING RETURNING code`,
  row: Schema.Struct({ code: Schema.String })
})
const ownsStatement = PostgresStatement.make({
  name: "user-character.owns",
  text: `SELECT EXISTS (
      SELECT 1 FROM users.user_characters held LEFT JOIN character.characters known ON known.code = held.code
      WHERE held.user_id = $1 AND (normalize(held.name, NFC) = $2 OR normalize(known.name, NFC) = $2)
    ) AS owned`,
  row: Schema.Struct({ owned: Schema.Boolean })
})

const firstStatement = PostgresStatement.make({
  name: "user-character.first",
  text: `SELECT held.scan_id, floor(extract(epoch FROM held.acquired_at) * 1000)::text AS acquired
    FROM users.user_characters held LEFT JOIN character.characters known ON known.code = held.code
    WHERE held.user_id = $1 AND (normalize(held.name, NFC) = $2 OR normalize(known.name, NFC) = $2)
    ORDER BY held.acquired_at LIMIT 1`,
  row: Schema.Struct({ scan_id: Schema.NullOr(Schema.String), acquired: Schema.NumberFromString })
})

const unavailable = Effect.mapError(
  (error: PostgresError.PostgresError) => new CharactersUnavailable({ reason: error.message })
)

export const layer: Layer.Layer<Characters, never, Postgres.Postgres> = Layer.effect(
  Characters,
  Effect.gen(function* () {
    const postgres = yield* Postgres.Postgres
    const listOf = (userId: string) => postgres.run(ofUserStatement, [userId])
    return Characters.of({
      catalogue: (language) =>
        CharacterStore.list.pipe(
          Effect.provideService(Postgres.Postgres, postgres),
          Effect.map((all) =>
            all.map((character) => {
              const { dialog, match_label, name, type } = textsIn(character, language)
              const shown =
                language === "ko" || match_label === null ? {} : { match_display: displayName(match_label, language) }
              return { name, type, dialog, match: match_label, ...shown }
            })
          ),
          unavailable
        ),
      ofUser: Effect.fnUntraced(function* (userId: string, mayGrant: Effect.Effect<boolean>) {
        const held = yield* listOf(userId)
        if (held.length > 0 || !(yield* mayGrant)) return held
        const { code, dialog, name, type } = defaultCharacter
        const now = yield* Clock.currentTimeMillis
        yield* postgres.run(grantStatement, [
          JSON.stringify({
            id: CharacterId.ofUserCharacter(userId, code),
            ownership_id: CharacterId.ofOwnership(userId, code),
            character_id: CharacterId.ofCharacter(code),
            user_id: userId,
            code,
            name,
            type,
            dialog,
            acquired_at: new Date(now).toISOString()
          })
        ])
        // another request may have granted it at the same time
        return yield* listOf(userId)
      }, unavailable),
      first: (userId, name) =>
        postgres.run(firstStatement, [userId, name.normalize("NFC").trim()]).pipe(
          Effect.map(([row]) => (row === undefined ? null : { scanId: row.scan_id, acquired: row.acquired })),
          unavailable
        ),
      owns: (userId, name) =>
        postgres.run(ownsStatement, [userId, name.normalize("NFC").trim()]).pipe(
          Effect.map(([row]) => row?.owned === true),
          unavailable
        )
    })
  })
)
