/** The choice of the rules for what is on a photo. */
import { describe, expect, it } from "vitest"
import { ruleKeys } from "../../../packages/actors/src/domain/Disposal.ts"

const keysOf = (major: string, middle: string, minor: string | null = "어떤 것", ...tags: ReadonlyArray<string>) =>
  ruleKeys({
    classification: { major_category: major, middle_category: middle, minor_category: minor },
    situation_tags: tags
  })

describe("ruleKeys", () => {
  it.each([
    [
      "a recyclable asks for its middle's rule, then the recyclables'",
      "재활용폐기물",
      "금속류",
      ["재활용폐기물_금속류", "재활용폐기물"]
    ],
    ["another major asks for its own rule", "대형폐기물", "", ["대형폐기물"]],
    ["a middle outside 재활용폐기물 is ignored", "음식물류폐기물", "종이", ["음식물류폐기물"]],
    ["a recyclable without a middle asks for the recyclables' rule", "재활용폐기물", "", ["재활용폐기물"]],
    ["a recyclable with an unknown middle asks for the recyclables' rule", "재활용폐기물", "고무류", ["재활용폐기물"]],
    ["미분류 asks for none", "미분류", "종이", []],
    ["an unknown major asks for none", "constructor", "종이", []],
    [
      "NFD and odd spaces change nothing",
      ` ${"재활용".normalize("NFD")} 폐기물`,
      "의류 및\u3000원단 ".normalize("NFD"),
      ["재활용폐기물_의류및원단", "재활용폐기물"]
    ]
  ])("ruleKeys: %s", (_, major, middle, keys) => {
    expect(keysOf(major, middle)).toEqual(keys)
  })

  it("ruleKeys: a hazardous item's rule comes first, whatever major and middle a model gives it", () => {
    for (const [major, middle] of [
      ["일반종량제폐기물", ""],
      ["재활용폐기물", "유리병"],
      ["생활계유해폐기물", ""]
    ] as const) {
      expect(keysOf(major, middle, "감기약", "깨짐").slice(0, 2)).toEqual([
        "생활계유해폐기물_폐의약품",
        "생활계유해폐기물"
      ])
      expect(keysOf(major, middle, "신나").slice(0, 2)).toEqual(["생활계유해폐기물_페인트·용제", "생활계유해폐기물"])
    }
  })

  it("ruleKeys: a state that changes what to do comes before the material", () => {
    const lamp = "불연성종량제폐기물_깨진 조명제품"
    expect(keysOf("재활용폐기물", "조명제품", "LED 전구", "깨짐")[0]).toBe(lamp)
    expect(keysOf("불연성종량제폐기물", "", "백열전구", "부서짐")[0]).toBe(lamp)
    expect(keysOf("재활용폐기물", "조명제품", "LED 전구", "깨끗함")[0]).toBe("재활용폐기물_조명제품")
    expect(keysOf("재활용폐기물", "유리병", "소주병", "깨짐")[0]).toBe("불연성종량제폐기물")
    expect(keysOf("재활용폐기물", "전기전자제품", "휴대전화", "배터리 부풀음")[0]).toBe("재활용폐기물_손상된 전지")
    expect(keysOf("재활용폐기물", "전기전자제품", "휴대전화", "깨짐")[0]).toBe("재활용폐기물_전기전자제품")
    expect(keysOf("재활용폐기물", "금속류", "냄비", "깨짐")[0]).toBe("재활용폐기물_금속류")
  })
})
