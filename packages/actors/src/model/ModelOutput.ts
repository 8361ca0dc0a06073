/**
 * ModelOutput: the JSON Schemas that models are asked to follow, and the decoders from their output to domain values. The
 * decoder always checks, because not every provider enforces a schema.
 *
 * The wire differs from the domain in two points, because strict schemas allow neither records with open keys nor a good empty
 * value: there, `disposal_steps` is a list and a missing middle category is null.
 */
import { Effect, Schema } from "effect"
import type { FinalAnswer } from "../domain/Scan.ts"
import { majorCategories, middleCategories, situationTags, toSituationTags, toTaxonomy } from "../domain/Waste.ts"
import type { InTaxonomy } from "../domain/Waste.ts"

/** A JSON Schema in the subset that OpenAI's strict mode and Gemini both accept. */
export interface OutputSchema {
  readonly name: string
  readonly jsonSchema: { readonly [keyword: string]: unknown }
}

const text = { type: "string" }
const oneOf = (values: ReadonlyArray<string>) => ({ type: "string", enum: values })
const orNull = (schema: object) => ({ anyOf: [schema, { type: "null" }] })
const listOf = (items: object) => ({ type: "array", items })
const closed = (properties: { readonly [name: string]: object }) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false
})

/**
 * The schema of a classification. Minor items are listed in the prompt instead: an enum of several hundred values makes a
 * schema that providers reject as too large, and other names are allowed too.
 */
export const visionSchema: OutputSchema = {
  name: "waste_classification",
  jsonSchema: closed({
    major_category: oneOf(majorCategories),
    middle_category: orNull(oneOf(middleCategories)),
    minor_category: orNull(text),
    situation_tags: listOf(oneOf(Object.values(situationTags).flat()))
  })
}

/** The schema of an answer. */
export const answerSchema: OutputSchema = {
  name: "disposal_answer",
  jsonSchema: closed({ disposal_steps: listOf(text), insufficiencies: listOf(text), user_answer: text })
}

const VisionWire = Schema.fromJsonString(
  Schema.Struct({
    major_category: Schema.String,
    middle_category: Schema.NullOr(Schema.String),
    minor_category: Schema.NullOr(Schema.String),
    situation_tags: Schema.Array(Schema.String)
  })
)

/** Trimmed and not blank; bounded, because every answer is stored and sent to viewers. */
const Line = Schema.String.check(Schema.isMaxLength(2000))
const AnswerWire = Schema.fromJsonString(
  Schema.Struct({
    disposal_steps: Schema.Array(Line).check(Schema.isMaxLength(40)),
    insufficiencies: Schema.Array(Line).check(Schema.isMaxLength(40)),
    user_answer: Schema.String.check(Schema.isPattern(/\S/), Schema.isMaxLength(10_000))
  })
)

/**
 * Decodes a model's text into values of the taxonomy; fails if it is not JSON or lacks a field. `outside`: the words of its
 * answer that the taxonomy does not know; the classification is no good answer unless it is empty.
 */
export const decodeVision = (
  output: string
): Effect.Effect<InTaxonomy & { readonly situationTags: ReadonlyArray<string> }, Schema.SchemaError> =>
  Schema.decodeEffect(VisionWire)(output).pipe(
    Effect.map(({ major_category, middle_category, minor_category, situation_tags }) => ({
      ...toTaxonomy({ major_category, middle_category: middle_category ?? "", minor_category }),
      situationTags: toSituationTags(situation_tags)
    }))
  )

/** Decodes a model's text into an answer with numbered steps; fails if it is not JSON, lacks a field or has no text. */
export const decodeAnswer = (output: string): Effect.Effect<FinalAnswer, Schema.SchemaError> =>
  Schema.decodeEffect(AnswerWire)(output).pipe(
    Effect.map(({ disposal_steps, insufficiencies, user_answer }) => ({
      disposal_steps: numberedSteps(disposal_steps),
      insufficiencies: withoutBlanks(insufficiencies),
      user_answer: user_answer.trim()
    }))
  )

/** Keys `단계1`, `단계2`, … in order; blank steps are skipped and leave no gap. */
export const numberedSteps = (steps: ReadonlyArray<string>): FinalAnswer["disposal_steps"] =>
  Object.fromEntries(withoutBlanks(steps).map((step, index) => [`단계${index + 1}`, step]))

const withoutBlanks = (lines: ReadonlyArray<string>) => lines.map((line) => line.trim()).filter((line) => line !== "")
