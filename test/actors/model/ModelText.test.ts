import { describe, expect, it } from "@effect/vitest"
import { objectIn } from "../../../packages/actors/src/model/ModelText.ts"

const object = '{"a":"} { ``` <think>","b":[{"c":1}]}'
const rows: ReadonlyArray<readonly [claim: string, text: string]> = [
  ["as it is", object],
  ["with blanks and a byte order mark", `\uFEFF \n${object}\n`],
  ["in a code fence with a language", "```json\n" + object.replace("```", "'''") + "\n```"],
  ["in a code fence without a language", "```\n" + object.replace("```", "'''") + "\n```"],
  ["after thoughts", `<think>it may be {"a":1} or {"b":2}</think>\n\n${object}`],
  ["after thoughts whose opening tag is missing", `hm {"x":1}\n</think>${object}`],
  ["after a sentence", `Here is the JSON: ${object}`],
  ["before a sentence", `${object}\nLet me know if you need more {details}.`],
  [
    "in a fence after thoughts and a sentence",
    "<thinking>x</thinking>Sure:\n```json\n" + object.replace("```", "'''") + "\n```\nDone."
  ],
  ["behind braces that are no object", `{no} ${object}`]
]

describe("ModelText", () => {
  it.each(rows)("the one JSON object is found %s", (_, text) => {
    expect(JSON.parse(objectIn(text).replace("'''", "```"))).toEqual(JSON.parse(object))
  })

  it.each([
    ["two objects", '{"a":1} or {"a":2}'],
    ["no object", "I do not know."],
    ["a list of two", '[{"a":1},{"a":2}]'],
    ["half an object", '{"a":"b'],
    ["nothing", ""]
  ])("%s is left as it is, so that the decoder refuses it", (_, text) => {
    expect(objectIn(text)).toBe(text)
  })

  it("NUL and half of a surrogate pair, written as escapes, are not left in any string", () => {
    const wanted = { a: ["caf", "\uFFFD!", "🧴"], b: "\uFFFD" }
    expect(JSON.parse(objectIn('{"a":["caf\\u0000","\\uD83E!","\\ud83e\\uddf4"],"b":"\\udC00"}'))).toEqual(wanted)
  })
})
