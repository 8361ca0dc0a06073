/**
 * Statement: SQL as a typed call: the text, with `$1`, `$2`, … for its parameters, and the schema of its rows.
 * Prepared once for each connection. Many rows are passed as one JSON text (`jsonb_to_recordset($1::text::jsonb)`), so that a
 * batch of any size is the same statement. A statement may run twice (a lost answer), and the second run must change nothing.
 * Run by Postgres.
 */
import { Effect, Schema } from "effect"
import { PostgresRowInvalid } from "./PostgresError.ts"

export type Parameter = string | number | boolean | null

export interface Statement<Row> {
  /** Words with dots, such as `character.list`; shown in errors and metrics. */
  readonly name: string
  readonly text: string
  readonly decode: (rows: unknown) => Effect.Effect<ReadonlyArray<Row>, PostgresRowInvalid>
}

/** `row`: the schema of each row; anything else is PostgresRowInvalid. */
export const make = <Row>(options: {
  readonly name: string
  readonly text: string
  readonly row: Schema.ConstraintDecoder<Row>
}): Statement<Row> => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(options.row))
  return {
    name: options.name,
    text: options.text,
    decode: (rows) =>
      Effect.mapError(
        decode(rows),
        (issue) => new PostgresRowInvalid({ statement: options.name, reason: String(issue).slice(0, 500) })
      )
  }
}
