/** `user_answer` while the model still writes it: whatever the cuts between the pieces. */
import { describe, expect, it } from "@effect/vitest"
import { follow, UserAnswerReader } from "../../../packages/actors/src/model/UserAnswer.ts"

const answer = '따옴표 "와 \\ 줄\n바꿈 \t 이모지 😀 끝 {"user_answer":"no"}'
const plain = JSON.stringify({ user_answer: answer, disposal_steps: ["user_answer", "b"], insufficiencies: [] })
/** All that is not ASCII, and a slash, written as escapes. */
const escaped = plain.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
const texts: ReadonlyArray<readonly [claim: string, json: string]> = [
  ["as JSON.stringify writes it", plain],
  ["with escapes for every character that is not ASCII", escaped],
  ["with blanks and line ends", JSON.stringify(JSON.parse(plain), null, 2)],
  [
    "behind other fields",
    JSON.stringify({ a: "user_answer", b: { user_answer: "no" }, c: ["user_answer"], user_answer: answer })
  ],
  ["in a code fence after thoughts", `<think>{"user_answer":"no"}</think>\n\`\`\`json\n${plain}\n\`\`\``]
]

const heard = (pieces: ReadonlyArray<string>) => {
  const texts: Array<string> = []
  const { hear } = follow((text) => texts.push(text))
  for (const piece of pieces) hear(piece)
  return texts
}

describe("UserAnswer", () => {
  for (const [claim, json] of texts) {
    it(`a growing text is read at every point where two pieces may be cut: ${claim}`, () => {
      for (let at = 0; at <= json.length; at++) {
        const said = heard([json.slice(0, at), json.slice(at)])
        expect(said.at(-1)).toBe(answer)
        for (const text of said) expect(answer.startsWith(text) && text.isWellFormed()).toBe(true)
      }
    })

    it(`a growing text is read unit by unit, and never shrinks or ends in half a character: ${claim}`, () => {
      const said = heard(json.split(""))
      expect(said.at(-1)).toBe(answer)
      for (const [index, text] of said.entries()) {
        expect(text.length).toBeGreaterThan(said[index - 1]?.length ?? 0)
        expect(text.isWellFormed()).toBe(true)
      }
    })
  }

  it("an output without the text, or with one of another type, calls nobody", () => {
    for (const json of [
      '{"user_answer":null,"x":"y"}',
      '{"answer":"x"}',
      "no JSON",
      '["user_answer","x"]',
      '{"user_answer":5}'
    ]) {
      expect(heard(json.split(""))).toEqual([])
    }
  })

  it("nothing is called after the end, however much is still heard", () => {
    const texts: Array<string> = []
    const { end, hear } = follow((text) => texts.push(text))
    hear('{"user_answer":"가')
    end()
    hear('나다"}')
    expect(texts).toEqual(["가"])
  })

  it("a reader says nothing where a piece adds no text", () => {
    const reader = new UserAnswerReader()
    expect(["{", '"user_answer": "', "가", "\\", "n", '"', ',"x":"y"}'].map((piece) => reader.read(piece))).toEqual([
      null,
      null,
      "가",
      null,
      "가\n",
      null,
      null
    ])
  })
})
