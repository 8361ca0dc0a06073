/**
 * RequestKey: the hash of a request to a model: everything that its reply depends on. A reply is used again for the same hash
 * alone (ReusedReplies), and by it the ledger of paid calls tells whether two calls asked the same. Pure.
 *   - two requests whose replies may differ have different hashes
 *   - a change of prompt, which is its instructions and the schema of its output, changes every hash
 */
import { createHash } from "node:crypto"
import type { AnswerRequest } from "./AnswerModel.ts"
import { answerSchema, visionSchema } from "./ModelOutput.ts"
import type { OutputSchema } from "./ModelOutput.ts"
import { answerInstructions, answerMaterial, visionInstructions } from "./Prompts.ts"
import type { VisionRequest } from "./VisionModel.ts"

/** The hash of all parts; neither their order nor where one ends and the next begins can be mistaken. */
export const of = (parts: ReadonlyArray<string | Uint8Array | null>): string => {
  const hash = createHash("sha256")
  for (const part of parts) {
    hash.update(part === null ? "-" : `${part.length}:`)
    if (part !== null) hash.update(part)
  }
  return hash.digest("hex")
}

/** What is said to a model beside the request's own material. */
export const prompt = (instructions: string, schema: OutputSchema): string => of([instructions, JSON.stringify(schema)])

const visionPrompt = prompt(visionInstructions, visionSchema)
const answerPrompt = prompt(answerInstructions, answerSchema)

export const vision = (request: VisionRequest, asked: string = visionPrompt): string => {
  const { image, language = "", model, region = "", userInput } = request
  return of([asked, model, image._tag, image._tag === "Url" ? image.url : image.bytes, userInput, language, region])
}

export const answer = (request: AnswerRequest, asked: string = answerPrompt): string =>
  of([asked, request.model, answerMaterial(request)])
