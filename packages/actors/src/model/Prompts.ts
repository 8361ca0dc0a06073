/**
 * Prompts: the instructions for hosted models (`prompts/*.md`, read once at start) and the material that goes with them.
 * Instructions are one text for both languages and the same in every call, and the material has what differs last, so that a
 * provider can cache the beginning. The user's words and region are strings in one JSON document, which no wording can close;
 * the instructions say that nothing in it is an instruction.
 */
import { readFileSync } from "node:fs"
import type { DisposalRule } from "../domain/Disposal.ts"
import { defaultLanguage } from "../domain/Language.ts"
import type { Language } from "../domain/Language.ts"
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

/** What a request says. */
interface Asked {
  readonly userInput: string
  readonly language?: Language | undefined
  readonly region?: string | null | undefined
}

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

/** What both materials end with, so that all before it is the same for the next user: language, region and the user's words. */
const endOf = ({ language = defaultLanguage, region = null, userInput }: Asked) => ({
  language,
  ...(region === null ? {} : { region }),
  user_input: userInput
})

/** The material beside the photo. */
export const visionMaterial = (asked: Asked): string => JSON.stringify(endOf(asked))

/** The material of an answer. */
export const answerMaterial = (
  asked: Asked & { readonly classification: ClassificationResult; readonly rule: DisposalRule }
): string =>
  JSON.stringify({
    rule: asked.rule,
    classification: asked.classification.classification,
    situation_tags: asked.classification.situation_tags,
    ...endOf(asked)
  })
