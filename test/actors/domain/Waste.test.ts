/** The taxonomy's lists, and how a model's answer is mapped to it. */
import { describe, expect, it } from "vitest"
import {
  comparable,
  majorCategories,
  middleCategories,
  minorItems,
  RECYCLABLE,
  situationTags,
  toSituationTags,
  toTaxonomy,
  UNCLASSIFIED
} from "../../../packages/actors/src/domain/Waste.ts"

const minors = Object.values(minorItems).flat()
const tags = Object.values(situationTags).flat()
const classification = (major: string, middle = "", minor: string | null = null) => ({
  major_category: major,
  middle_category: middle,
  minor_category: minor
})

describe("the lists", () => {
  it("the taxonomy has the eight majors and twelve middles of the contract", () => {
    expect(majorCategories.join(" ")).toBe(
      "재활용폐기물 일반종량제폐기물 불연성종량제폐기물 음식물류폐기물 대형폐기물 공사장생활폐기물 생활계유해폐기물 미분류"
    )
    expect(middleCategories.join(" ")).toBe(
      "종이 종이팩 무색페트병 플라스틱류 비닐류 발포합성수지 유리병 금속류 의류및원단 전지 조명제품 전기전자제품"
    )
  })

  it("the taxonomy has over 150 items, at least five in every middle and every major but 재활용폐기물 and 미분류", () => {
    expect(minors.length).toBeGreaterThan(150)
    const groups = [...middleCategories, ...majorCategories.filter((m) => m !== RECYCLABLE && m !== UNCLASSIFIED)]
    expect(Object.keys(minorItems).sort()).toEqual(groups.sort())
    for (const items of Object.values(minorItems)) expect(items.length).toBeGreaterThanOrEqual(5)
  })

  it("the taxonomy has over 60 situation tags", () => {
    expect(tags.length).toBeGreaterThan(60)
  })

  it.each([
    ["items", minors],
    ["tags", tags]
  ])("the taxonomy has no empty and no repeated %s, ignoring spaces", (_, names) => {
    expect(new Set(names.map(comparable)).size).toBe(names.length)
    expect(names).not.toContain("")
  })
})

describe("toTaxonomy", () => {
  it.each([
    ["leaves a known classification as it is", classification("재활용폐기물", "종이", "택배 상자")],
    ["leaves an item without a minor as it is", classification("재활용폐기물", "전지")],
    ["leaves a non-recyclable as it is", classification("대형폐기물", "", "소파")]
  ])("toTaxonomy %s", (_, known) => {
    expect(toTaxonomy(known)).toEqual(known)
  })

  it.each([
    ["an unknown major", classification("우주쓰레기", "종이", "신문지"), classification("미분류")],
    ["an empty major", classification(""), classification("미분류")],
    ["미분류 with a middle and a minor", classification("미분류", "종이", "신문지"), classification("미분류")],
    [
      "an unknown middle of a recyclable",
      classification("재활용폐기물", "고무류", "신문지"),
      classification("재활용폐기물", "", "신문지")
    ],
    [
      "a middle on a non-recyclable major",
      classification("음식물류폐기물", "종이", "김치"),
      classification("음식물류폐기물", "", "김치")
    ],
    [
      "names in NFD",
      classification("재활용폐기물".normalize("NFD"), "유리병".normalize("NFD"), "소주병".normalize("NFD")),
      classification("재활용폐기물", "유리병", "소주병")
    ],
    [
      "odd spaces, inside and around",
      classification(" 재활용 폐기물\n", "의류 및 원단", "얇은\u00A0\u200B 이불"),
      classification("재활용폐기물", "의류및원단", "얇은 이불")
    ],
    [
      "an unknown minor, which is kept as written but tidied",
      classification("재활용폐기물", "종이", "  반짝이는\t  포장  상자 "),
      classification("재활용폐기물", "종이", "반짝이는 포장 상자")
    ],
    [
      "an empty minor",
      classification("재활용폐기물", "종이", " \u200B "),
      classification("재활용폐기물", "종이", null)
    ],
    [
      "a minor longer than 60 characters",
      classification("대형폐기물", "", "🪑".repeat(100)),
      classification("대형폐기물", "", "🪑".repeat(60))
    ]
  ])("toTaxonomy maps %s", (_, raw, expected) => {
    expect(toTaxonomy(raw)).toEqual(expected)
  })

  it("toTaxonomy changes nothing when it is applied again", () => {
    const once = toTaxonomy(classification("재활용 폐기물", "플라스틱 류", `${"가".repeat(59)} 나`))
    expect(toTaxonomy(once)).toEqual(once)
  })
})

describe("toSituationTags", () => {
  it("toSituationTags keeps known tags only, each once, in their order and with the taxonomy's spelling", () => {
    expect(toSituationTags([" 라벨붙어있음", "멋짐", "깨짐".normalize("NFD"), "라벨 붙어 있음", ""])).toEqual([
      "라벨 붙어 있음",
      "깨짐"
    ])
  })
})
