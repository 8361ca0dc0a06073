/** The choice of a classification's rule. */
import { describe, expect, it } from "vitest"
import { ruleKeys } from "../../../packages/actors/src/domain/Disposal.ts"

describe("ruleKeys", () => {
  it.each([
    ["a recyclable with a middle asks for its middle's rule", "재활용폐기물", "금속류", ["재활용폐기물_금속류"]],
    ["another major asks for its own rule", "대형폐기물", "", ["대형폐기물"]],
    ["a middle outside 재활용폐기물 is ignored", "음식물류폐기물", "종이", ["음식물류폐기물"]],
    ["a recyclable without a middle asks for none", "재활용폐기물", "", []],
    ["a recyclable with an unknown middle asks for none", "재활용폐기물", "고무류", []],
    ["미분류 asks for none", "미분류", "종이", []],
    ["an unknown major asks for none", "constructor", "종이", []],
    [
      "NFD and odd spaces change nothing",
      ` ${"재활용".normalize("NFD")} 폐기물`,
      "의류 및\u3000원단 ".normalize("NFD"),
      ["재활용폐기물_의류및원단"]
    ]
  ])("ruleKeys: %s", (_, major, middle, keys) => {
    expect(ruleKeys({ major_category: major, middle_category: middle, minor_category: "어떤 것" })).toEqual(keys)
  })
})
