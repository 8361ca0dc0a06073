/**
 * Loose: schemas for what a provider says beside the answer. A side field of another type than documented counts as absent, so
 * that it never costs an answer that was paid.
 */
import { Effect, Option, Schema } from "effect"

/** The value, or undefined if it is missing, null or of another type. */
export const maybe = <A>(schema: Schema.Codec<A, unknown>) =>
  Schema.optional(
    Schema.UndefinedOr(schema).pipe(Schema.catchDecoding(() => Effect.succeed(Option.some<A | undefined>(undefined))))
  )

/** A list; an element of another type is undefined. */
export const list = <A>(schema: Schema.Codec<A, unknown>) =>
  Schema.Array(
    Schema.UndefinedOr(schema).pipe(Schema.catchDecoding(() => Effect.succeed(Option.some<A | undefined>(undefined))))
  )

export const text = maybe(Schema.String)
/** A text, or a number as text. */
export const code = maybe(Schema.Union([Schema.String, Schema.Number]))
