/** How the page puts the text of a running stage together from its pieces. */
import { describe, expect, it } from "vitest"

interface Running {
  readonly attempt: number
  readonly text: string
}
// plain JavaScript of the page
const page: {
  readonly nothing: Running
  readonly placed: (held: Running, status: string, result: unknown) => Running
  readonly wholeWords: (text: string) => string
} = await import(new URL("../../../packages/gateway/src/web/pieces.js", import.meta.url).href)

type Told = readonly [status: "delta" | "restarted", attempt: number, offset: number, text: string]
const after = (...told: ReadonlyArray<Told>) =>
  told.reduce(
    (held, [status, attempt, offset, text]) => page.placed(held, status, { attempt, offset, text }),
    page.nothing
  )

describe("the text of a running stage on the page", () => {
  it.each<readonly [claim: string, told: ReadonlyArray<Told>, text: string]>([
    [
      "grows piece by piece",
      [
        ["delta", 1, 0, "a"],
        ["delta", 1, 1, "bc"]
      ],
      "abc"
    ],
    ["takes a whole that a late viewer gets", [["delta", 3, 0, "abc"]], "abc"],
    [
      "takes a piece once that comes twice",
      [
        ["delta", 1, 0, "ab"],
        ["delta", 1, 1, "b"],
        ["delta", 1, 0, "ab"]
      ],
      "ab"
    ],
    [
      "cuts an overlap",
      [
        ["delta", 1, 0, "abc"],
        ["delta", 1, 1, "bcde"]
      ],
      "abcde"
    ],
    [
      "keeps what it has when a shorter whole comes",
      [
        ["delta", 1, 0, "abc"],
        ["delta", 1, 0, "ab"]
      ],
      "abc"
    ],
    [
      "waits for the whole after a gap",
      [
        ["delta", 1, 0, "ab"],
        ["delta", 1, 5, "fg"]
      ],
      "ab"
    ],
    [
      "goes on with the whole after a gap",
      [
        ["delta", 1, 0, "ab"],
        ["delta", 1, 5, "fg"],
        ["delta", 1, 0, "abcdefg"]
      ],
      "abcdefg"
    ],
    [
      "is empty when another attempt begins",
      [
        ["delta", 1, 0, "ab"],
        ["restarted", 2, 0, ""]
      ],
      ""
    ],
    [
      "begins anew with a later attempt, also when its beginning was missed",
      [
        ["delta", 1, 0, "ab"],
        ["delta", 2, 0, "xyz"]
      ],
      "xyz"
    ],
    [
      "does not continue an attempt with a piece of a later one",
      [
        ["delta", 1, 0, "ab"],
        ["delta", 2, 2, "cd"]
      ],
      "ab"
    ],
    [
      "drops what an earlier attempt still says",
      [
        ["delta", 2, 0, "ab"],
        ["delta", 1, 0, "abc"],
        ["restarted", 1, 0, ""]
      ],
      "ab"
    ]
  ])("%s", (_, told, text) => {
    expect(after(...told).text).toBe(text)
  })

  it.each([
    null,
    undefined,
    1,
    "x",
    [],
    {},
    { attempt: 1 },
    { attempt: Number.NaN, offset: 0, text: "x" },
    { attempt: 1, offset: -1, text: "x" },
    { attempt: 1, offset: 0.5, text: "x" },
    { attempt: 1, offset: 0, text: 1 },
    { attempt: 1, offset: 0, text: ["a", "b", "c"] }
  ])("stays the same after a result of another shape: %j", (result) => {
    const held = after(["delta", 1, 0, "ab"])
    expect(page.placed(held, "delta", result)).toBe(held)
  })

  it.each([
    ["one tw", "one "],
    ["one two ", "one two "],
    ["one\ntwo", "one\n"],
    ["one", "one"],
    ["one two.", "one two."],
    ["비닐 코팅", "비닐 "],
    ["버립니다. (따로)", "버립니다. (따로)"],
    [`one ${"字".repeat(25)}`, `one ${"字".repeat(25)}`]
  ])("shows of %j the whole words", (text, words) => {
    expect(page.wholeWords(text)).toBe(words)
  })
})
