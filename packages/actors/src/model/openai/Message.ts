/** Message: what both of OpenAI's APIs send alike: instructions, schema, picture. */
import type { OutputSchema } from "../ModelOutput.ts"
import type { Question } from "../StructuredProvider.ts"
import type { Form } from "./Form.ts"

/** Instructions; where the server takes no schema, it stands at their end, so that their beginning stays the same. */
export const instructionsFor = ({ instructions, schema }: Question, { structured }: Form): string =>
  structured === "schema"
    ? instructions
    : [
        instructions,
        "## 출력",
        "아래 JSON Schema를 따르는 JSON 객체 하나만 출력합니다. 설명이나 코드 블록을 붙이지 않습니다.",
        JSON.stringify(schema.jsonSchema)
      ].join("\n\n")

export const schemaFor = (schema: OutputSchema): object => ({ ...schema.jsonSchema })

/** The picture of a turn, an address or a data URL; it belongs to the first. */
export const pictureAt = ({ image }: Question, turn: number): string | null => {
  if (image === null || turn > 0) return null
  if (image._tag === "Url") return image.url
  const { buffer, byteLength, byteOffset } = image.bytes
  return `data:${image.mimeType};base64,${Buffer.from(buffer, byteOffset, byteLength).toString("base64")}`
}
