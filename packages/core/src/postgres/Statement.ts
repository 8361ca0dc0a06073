/**
 * Statement: SQL as a typed call: its text, with `$1`, `$2`, … for what is given, and the schema its rows are decoded by.
 * Prepared once a connection. Many rows are given as one JSON text (`jsonb_to_recordset($1::text::jsonb)`), so that a batch
 * of any size is the same statement. Every statement may run twice (a lost answer) and must then change nothing more.
 * Run by Postgres.
 */
import { Effect, Schema } from "effect"
import { PostgresRowInvalid } from "./PostgresError.ts"

export type Parameter = string | number | boolean | null

export interface Statement<Row> {
  /** Words with dots, such as `character.list`: stands in errors and metrics. */
  readonly name: string
  readonly text: string
  readonly decode: (rows: unknown) => Effect.Effect<ReadonlyArray<Row>, PostgresRowInvalid>
}

/** `row`: what each row is; anything else is PostgresRowInvalid. */
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
