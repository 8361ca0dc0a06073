/**
 * ModelOutput: what the models are asked to send, as JSON Schema, and how it becomes domain values. The schema asks,
 * decoding decides: not every provider keeps to a schema, and none is trusted to.
 *
 * The wire differs from the domain in two points, since strict schemas have neither open records nor a good empty
 * value: `disposal_steps` is a list there, and a missing middle category is null.
 */
import { Effect, Schema } from "effect"
import type { Classification, FinalAnswer } from "../domain/Scan.ts"
import { majorCategories, middleCategories, situationTags, toSituationTags, toTaxonomy } from "../domain/Waste.ts"

/** A JSON Schema in the subset that OpenAI's strict mode and Gemini both take. */
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
 * Asks for a classification. Minor items are listed in the prompt, not here: a value for each of several hundred makes
 * a schema that providers refuse as too large, and an item of another name is still an item.
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

/** Asks for an answer. */
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

/** Blank lines and padding are noise; length is bounded because every answer is stored and sent to a viewer. */
const Line = Schema.String.check(Schema.isMaxLength(2000))
const AnswerWire = Schema.fromJsonString(
  Schema.Struct({
    disposal_steps: Schema.Array(Line).check(Schema.isMaxLength(40)),
    insufficiencies: Schema.Array(Line).check(Schema.isMaxLength(40)),
    user_answer: Schema.String.check(Schema.isPattern(/\S/), Schema.isMaxLength(10_000))
  })
)

/** From a model's text to values of the taxonomy; fails when the text is not JSON or lacks a field. */
export const decodeVision = (
  output: string
): Effect.Effect<
  { readonly classification: Classification; readonly situationTags: ReadonlyArray<string> },
  Schema.SchemaError
> =>
  Schema.decodeEffect(VisionWire)(output).pipe(
    Effect.map(({ major_category, middle_category, minor_category, situation_tags }) => ({
      classification: toTaxonomy({ major_category, middle_category: middle_category ?? "", minor_category }),
      situationTags: toSituationTags(situation_tags)
    }))
  )

/** From a model's text to an answer with numbered steps; fails when it is not JSON, lacks a field or says nothing. */
export const decodeAnswer = (output: string): Effect.Effect<FinalAnswer, Schema.SchemaError> =>
  Schema.decodeEffect(AnswerWire)(output).pipe(
    Effect.map(({ disposal_steps, insufficiencies, user_answer }) => ({
      disposal_steps: numberedSteps(disposal_steps),
      insufficiencies: withoutBlanks(insufficiencies),
      user_answer: user_answer.trim()
    }))
  )

/** `단계1`, `단계2`, … in order; blank steps are left out and leave no gap. */
export const numberedSteps = (steps: ReadonlyArray<string>): FinalAnswer["disposal_steps"] =>
  Object.fromEntries(withoutBlanks(steps).map((step, index) => [`단계${index + 1}`, step]))

const withoutBlanks = (lines: ReadonlyArray<string>) => lines.map((line) => line.trim()).filter((line) => line !== "")
