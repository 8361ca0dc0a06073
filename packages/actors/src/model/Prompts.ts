/**
 * Prompts: the instructions for hosted models (`prompts/*.md`, read once at start) and the material that goes with them.
 * The user's words are a string in one JSON document, which no wording can close; the instructions say that nothing in it is
 * an instruction.
 */
import { readFileSync } from "node:fs"
import type { DisposalRule } from "../domain/Disposal.ts"
import type { ClassificationResult } from "../domain/Scan.ts"
import { majorCategories, middleCategories, minorItems, RECYCLABLE, situationTags } from "../domain/Waste.ts"

const read = (name: "vision" | "answer") =>
  readFileSync(new URL(`./prompts/${name}.md`, import.meta.url), "utf8").trim()

/** Fills in `{{name}}`; a name without a value stops the start. */
const fill = (template: string, values: Readonly<Record<string, string>>) =>
  template.replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`a prompt names {{${name}}}, which has no value`)
    return value
  })

const bullets = (names: ReadonlyArray<string>) => names.map((name) => `- ${name}`).join("\n")
const groups = (lists: Readonly<Record<string, ReadonlyArray<string>>>) =>
  Object.entries(lists)
    .map(([group, names]) => `- ${group}: ${names.join(", ")}`)
    .join("\n")

/** Instructions of the vision stage, with the taxonomy. */
export const visionInstructions: string = fill(read("vision"), {
  recyclable: RECYCLABLE,
  majors: bullets(majorCategories),
  middles: bullets(middleCategories),
  minors: groups(minorItems),
  tags: groups(situationTags)
})

/** Instructions of the answer stage. */
export const answerInstructions: string = fill(read("answer"), {})

/** The material beside the photo. */
export const visionMaterial = (userInput: string): string => JSON.stringify({ user_input: userInput })

/** The material of an answer. */
export const answerMaterial = (material: {
  readonly classification: ClassificationResult
  readonly rule: DisposalRule
  readonly userInput: string
}): string =>
  JSON.stringify({
    classification: material.classification.classification,
    situation_tags: material.classification.situation_tags,
    rule: material.rule,
    user_input: material.userInput
  })
