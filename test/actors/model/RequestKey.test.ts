/** The hash of a request to a model: each part of what the reply depends on is in it, and nothing else. */
import { describe, expect, it } from "vitest"
import type { AnswerRequest } from "../../../packages/actors/src/model/AnswerModel.ts"
import { answerSchema, visionSchema } from "../../../packages/actors/src/model/ModelOutput.ts"
import { answerInstructions, visionInstructions } from "../../../packages/actors/src/model/Prompts.ts"
import * as RequestKey from "../../../packages/actors/src/model/RequestKey.ts"
import type { VisionRequest } from "../../../packages/actors/src/model/VisionModel.ts"

const photo = (text: string) =>
  ({ _tag: "Bytes", mimeType: "image/jpeg", bytes: new TextEncoder().encode(text) }) as const
const seen: VisionRequest = {
  model: "gpt-5.2",
  image: photo("bottle"),
  userInput: "?",
  language: "ko",
  region: "Seoul"
}
const rule = {
  key: "재활용폐기물_종이",
  category: "재활용폐기물",
  name: "종이",
  items: ["신문지"],
  description: ["마른 종이"],
  sub_items: {},
  common_steps: ["물기를 피합니다."],
  detailed_steps: {},
  not_accepted: {},
  icons: [],
  source: "분리배출 지침"
}
const classification = {
  classification: { major_category: "재활용폐기물", middle_category: "종이", minor_category: "신문지" },
  situation_tags: ["물기 있음"],
  meta: { user_input: "?" }
}
const written: AnswerRequest = {
  model: "gpt-5.2",
  classification,
  rule,
  userInput: "?",
  language: "ko",
  region: "Seoul"
}

describe("RequestKey", () => {
  it.each<[part: string, change: Partial<VisionRequest>]>([
    ["the model", { model: "gemini-3-flash" }],
    ["the photo's bytes", { image: photo("bottles") }],
    ["the photo's address", { image: { _tag: "Url", url: "bottle" } }],
    ["the question", { userInput: "? " }],
    ["the language", { language: "en" }],
    ["the region", { region: "Busan" }],
    ["no region", { region: null }]
  ])("another hash for vision by %s", (_, change) => {
    expect(RequestKey.vision({ ...seen, ...change })).not.toBe(RequestKey.vision(seen))
  })

  it.each<[part: string, change: Partial<AnswerRequest>]>([
    ["the model", { model: "gemini-3-flash" }],
    ["the rule", { rule: { ...rule, common_steps: ["펴서 묶습니다."] } }],
    [
      "the item",
      {
        classification: {
          ...classification,
          classification: { ...classification.classification, minor_category: null }
        }
      }
    ],
    ["the situation", { classification: { ...classification, situation_tags: [] } }],
    ["the question", { userInput: "? " }],
    ["the language", { language: "en" }],
    ["the region", { region: "Busan" }],
    ["no region", { region: null }]
  ])("another hash for an answer by %s", (_, change) => {
    expect(RequestKey.answer({ ...written, ...change })).not.toBe(RequestKey.answer(written))
  })

  it("the same hash for the same request, whoever owns the photo and whoever reads along", () => {
    expect(RequestKey.vision({ ...seen, image: photo("bottle"), owner: "ann" })).toBe(RequestKey.vision(seen))
    expect(RequestKey.answer({ ...written, onText: () => undefined })).toBe(RequestKey.answer(written))
  })

  it("no two lists of parts have the same hash, wherever a part ends", () => {
    const lists = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["abc", null], ["1:a"], ["-"], [null], []]
    expect(new Set(lists.map(RequestKey.of)).size).toBe(lists.length)
  })

  it.each([
    ["vision", visionInstructions, visionSchema, (asked?: string) => RequestKey.vision(seen, asked)],
    ["answer", answerInstructions, answerSchema, (asked?: string) => RequestKey.answer(written, asked)]
  ] as const)("the version of the prompt is part of the hash (%s)", (_, instructions, schema, key) => {
    expect(key(RequestKey.prompt(instructions, schema)), "the prompt that workers send").toBe(key())
    expect(key(RequestKey.prompt(`${instructions}\nBe brief.`, schema))).not.toBe(key())
    expect(
      key(RequestKey.prompt(instructions, { ...schema, jsonSchema: { ...schema.jsonSchema, title: "2" } }))
    ).not.toBe(key())
  })
})
