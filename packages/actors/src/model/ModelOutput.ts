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
import { objectIn } from "./ModelText.ts"

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
  // the text for the user first, because it is shown while it grows
  jsonSchema: closed({ user_answer: text, disposal_steps: listOf(text), insufficiencies: listOf(text) })
}

/** The schema of the answer to a probe. */
export const probeSchema: OutputSchema = { name: "probe", jsonSchema: closed({ ok: { type: "boolean" } }) }

/** A side field that is missing or null costs no answer. */
const orEmpty = <A>(items: Schema.Codec<ReadonlyArray<A>>) => Schema.optional(Schema.NullOr(items))

const VisionWire = Schema.fromJsonString(
  Schema.Struct({
    major_category: Schema.String,
    middle_category: Schema.optional(Schema.NullOr(Schema.String)),
    minor_category: Schema.optional(Schema.NullOr(Schema.String)),
    situation_tags: orEmpty(Schema.Array(Schema.String))
  })
)

/** Trimmed and not blank; bounded, because every answer is stored and sent to viewers. */
const Line = Schema.String.check(Schema.isMaxLength(2000))
const AnswerWire = Schema.fromJsonString(
  Schema.Struct({
    user_answer: Schema.String.check(Schema.isPattern(/\S/), Schema.isMaxLength(10_000)),
    disposal_steps: Schema.Array(Line).check(Schema.isMaxLength(40)),
    insufficiencies: orEmpty(Schema.Array(Line).check(Schema.isMaxLength(40)))
  })
)

const ProbeWire = Schema.fromJsonString(Schema.Struct({ ok: Schema.Boolean }))

/** Why an output cannot be used, in words for the model. */
export class OutputProblem extends Schema.TaggedError<OutputProblem>()("OutputProblem", { problem: Schema.String }) {
  override get message() {
    return this.problem
  }
}

const wrong = (problem: string) => new OutputProblem({ problem: problem.slice(0, 500) })
const read =
  <A>(wire: Schema.ConstraintDecoder<A>) =>
  (output: string): Effect.Effect<A, OutputProblem> =>
    output.trim() === ""
      ? Effect.fail(wrong("the output is empty"))
      : Effect.mapError(Schema.decodeUnknownEffect(wire)(objectIn(output)), ({ message }) => wrong(message))

/**
 * Decodes a model's text into values of the taxonomy.
 * - a major that the taxonomy does not know is a problem: nothing could be said about the item
 * - a middle that it does not know is a problem, or with `isLast` left out: the recyclables have a rule for that
 * - text around the one JSON object is left out (ModelText); unknown tags are dropped
 */
export const decodeVision = (
  output: string,
  isLast: boolean
): Effect.Effect<
  Pick<InTaxonomy, "classification"> & { readonly situationTags: ReadonlyArray<string> },
  OutputProblem
> =>
  Effect.flatMap(read(VisionWire)(output), ({ major_category, middle_category, minor_category, situation_tags }) => {
    const { classification, outside } = toTaxonomy({
      major_category,
      middle_category: middle_category ?? "",
      minor_category: minor_category ?? null
    })
    const words = outside.filter(({ field }) => field === "major_category" || !isLast)
    return words.length > 0
      ? Effect.fail(
          wrong(
            words
              .map(({ field, word }) => `${field} is ${JSON.stringify(word)}, which is none of the allowed values`)
              .join("; ")
          )
        )
      : Effect.succeed({ classification, situationTags: toSituationTags(situation_tags ?? []) })
  })

/** Decodes a model's text into an answer with numbered steps. */
export const decodeAnswer = (output: string): Effect.Effect<FinalAnswer, OutputProblem> =>
  Effect.map(read(AnswerWire)(output), ({ disposal_steps, insufficiencies, user_answer }) => ({
    disposal_steps: numberedSteps(disposal_steps),
    insufficiencies: withoutBlanks(insufficiencies ?? []),
    user_answer: user_answer.trim()
  }))

/** Decodes the answer to a probe, whatever it says. */
export const decodeProbe = (output: string): Effect.Effect<boolean, OutputProblem> =>
  Effect.map(read(ProbeWire)(output), ({ ok }) => ok)

/** Keys `단계1`, `단계2`, … in order; blank steps are skipped and leave no gap. */
export const numberedSteps = (steps: ReadonlyArray<string>): FinalAnswer["disposal_steps"] =>
  Object.fromEntries(withoutBlanks(steps).map((step, index) => [`단계${index + 1}`, step]))

const withoutBlanks = (lines: ReadonlyArray<string>) => lines.map((line) => line.trim()).filter((line) => line !== "")
