/**
 * Scan: the outputs of the four stages of a scan, as clients read them. Field names are the public contract (snake_case on the
 * wire). Waste has the taxonomy, Disposal the rules.
 */
import { Schema } from "effect"

/** What is on the photo. `middle_category` is "" where the major has no middles; values come from the taxonomy (Waste). */
export const Classification = Schema.Struct({
  major_category: Schema.String,
  middle_category: Schema.String,
  minor_category: Schema.NullOr(Schema.String)
})
export type Classification = typeof Classification.Type

/** The vision stage's output. `meta.user_input` is the question the user asked (or the default one). */
export const ClassificationResult = Schema.Struct({
  classification: Classification,
  situation_tags: Schema.Array(Schema.String),
  meta: Schema.Struct({ user_input: Schema.String })
})
export type ClassificationResult = typeof ClassificationResult.Type

/**
 * A classification as clients read it. `display`: its words as people read them, in the job's language; absent where they are the
 * taxonomy's own, which are Korean.
 */
export const ClassificationView = Schema.Struct({
  ...ClassificationResult.fields,
  display: Schema.optionalKey(Schema.Struct({ ...Classification.fields, situation_tags: Schema.Array(Schema.String) }))
})
export type ClassificationView = typeof ClassificationView.Type

/** The answer stage's output; `disposal_steps` are keyed `단계1`, `단계2`, … in order. */
export const FinalAnswer = Schema.Struct({
  disposal_steps: Schema.Record(Schema.String, Schema.String),
  insufficiencies: Schema.Array(Schema.String),
  user_answer: Schema.String
})
export type FinalAnswer = typeof FinalAnswer.Type

/** The character a scan earned. */
export const Reward = Schema.Struct({
  name: Schema.String,
  dialog: Schema.String,
  match_reason: Schema.String,
  type: Schema.String
})
export type Reward = typeof Reward.Type
