/** The taxonomy's lists, and how a model's answer is mapped to it. */
import { describe, expect, it } from "vitest"
import {
  comparable,
  displayName,
  majorCategories,
  middleCategories,
  minorGroupOf,
  minorItems,
  RECYCLABLE,
  situationTags,
  toSituationTags,
  toTaxonomy,
  UNCLASSIFIED
} from "../../../packages/actors/src/domain/Waste.ts"
import * as Words from "../../../packages/actors/src/domain/WasteWords.ts"

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

describe("the words", () => {
  type Aliases = ReadonlyArray<readonly [word: string, key: string]>
  const aliasesOf = (words: Readonly<Record<string, ReadonlyArray<string>>>): Aliases =>
    Object.entries(words).flatMap(([key, all]) => all.map((word) => [word, key] as const))
  const all: ReadonlyArray<readonly [kind: string, keys: ReadonlyArray<string>, pairs: Words.Pairs, Aliases]> = [
    ["majors", majorCategories, Object.entries(Words.majors), aliasesOf(Words.majorAliases)],
    ["middles", middleCategories, Object.entries(Words.middles), aliasesOf(Words.middleAliases)],
    ["items", minors, Object.values(Words.minors).flat(), Words.minorAliases],
    ["tags", tags, Object.values(Words.tags).flat(), []]
  ]

  it.each(all)(
    "every one of the %s has an English name, and no word stands for two of them",
    (_, keys, pairs, aliases) => {
      expect(pairs.map(([key]) => key)).toEqual([...keys])
      const stands = new Map<string, string>()
      for (const [word, key] of [...pairs.flatMap(([ko, en]) => [[ko, ko] as const, [en, ko] as const]), ...aliases]) {
        expect([word, keys.includes(key)]).toEqual([word, true])
        expect([word, stands.get(comparable(word)) ?? key]).toEqual([word, key])
        stands.set(comparable(word), key)
      }
    }
  )

  it("displayName gives the English name of a key, and leaves Korean and unknown text as it is", () => {
    expect(displayName("무색페트병", "en")).toBe("Clear PET bottles")
    expect(displayName("생수병", "en")).toBe("water bottle")
    expect(displayName("깨짐", "en")).toBe("broken")
    expect(displayName("무색페트병", "ko")).toBe("무색페트병")
    expect(displayName("반짝이는 상자", "en")).toBe("반짝이는 상자")
  })
})

describe("toTaxonomy", () => {
  it.each([
    ["leaves a known classification as it is", classification("재활용폐기물", "종이", "택배 상자")],
    ["leaves an item without a minor as it is", classification("재활용폐기물", "전지")],
    ["leaves a non-recyclable as it is", classification("대형폐기물", "", "소파")],
    ["leaves an honest 미분류 as it is", classification("미분류")]
  ])("toTaxonomy %s", (_, known) => {
    expect(toTaxonomy(known)).toEqual({ classification: known, outside: [] })
  })

  it.each([
    ["미분류 with a middle and a minor", classification("미분류", "종이", "신문지"), classification("미분류")],
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
      "other case, punctuation and full width",
      classification("RECYCLABLES.", "Ｃlear PET-bottles", "「생수병」"),
      classification("재활용폐기물", "무색페트병", "생수병")
    ],
    [
      "aliases in Korean",
      classification("재활용품", "투명페트병", "먹는샘물병"),
      classification("재활용폐기물", "무색페트병", "생수병")
    ],
    [
      "aliases in English",
      classification("Recyclable", "PET bottle", "bottled water"),
      classification("재활용폐기물", "무색페트병", "생수병")
    ],
    ["a close spelling", classification("재할용폐기물", "프라스틱류"), classification("재활용폐기물", "플라스틱류")],
    [
      "a close spelling in English",
      classification("Recyclabls", "Metals.", "tuna can"),
      classification("재활용폐기물", "금속류", "참치캔")
    ],
    [
      "a material in the place of the major",
      classification("플라스틱", "", "샴푸통"),
      classification("재활용폐기물", "플라스틱류", "샴푸통")
    ],
    ["a material without a major", classification("", "유리병"), classification("재활용폐기물", "유리병")],
    [
      "an unknown major, by its item",
      classification("우주쓰레기", "고무류", "신문지"),
      classification("재활용폐기물", "종이", "신문지")
    ],
    ["a missing major, by its item", classification("", "", "pills"), classification("생활계유해폐기물", "", "알약")],
    [
      "an unknown middle, by its item",
      classification("재활용폐기물", "용기류", "잼 유리병"),
      classification("재활용폐기물", "유리병", "잼 유리병")
    ],
    [
      "an item in the place of the middle",
      classification("재활용폐기물", "우유팩"),
      classification("재활용폐기물", "종이팩")
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
    expect(toTaxonomy(raw)).toEqual({ classification: expected, outside: [] })
  })

  it.each([
    ["an unknown major", classification("우주쓰레기", "종이", "위성"), classification("미분류"), "major", "우주쓰레기"],
    ["an empty major", classification(""), classification("미분류"), "major", ""],
    ["a short word that is only like a major", classification("대항"), classification("미분류"), "major", "대항"],
    [
      "an unknown middle of a recyclable",
      classification("재활용폐기물", "고무류", "장화"),
      classification("재활용폐기물", "", "장화"),
      "middle",
      "고무류"
    ],
    [
      "an unknown middle whose item is no recyclable",
      classification("재활용폐기물", "고무류", "소파"),
      classification("재활용폐기물", "", "소파"),
      "middle",
      "고무류"
    ],
    ["a missing middle of a recyclable", classification("재활용폐기물"), classification("재활용폐기물"), "middle", ""]
  ])("toTaxonomy says of %s that it is outside the taxonomy", (_, raw, known, field, word) => {
    expect(toTaxonomy(raw)).toEqual({ classification: known, outside: [{ field: `${field}_category`, word }] })
  })

  it("toTaxonomy says of a spelling between two names that it is outside the taxonomy", () => {
    // one letter from 무색페트병, and one from 유색페트병, which is plastic
    expect(toTaxonomy(classification("재활용폐기물", "우색페트병"))).toEqual({
      classification: classification("재활용폐기물"),
      outside: [{ field: "middle_category", word: "우색페트병" }]
    })
  })

  it("toTaxonomy changes nothing when it is applied again", () => {
    const once = toTaxonomy(classification("재활용 폐기물", "플라스틱 류", `${"가".repeat(59)} 나`))
    expect(toTaxonomy(once.classification)).toEqual(once)
  })

  it("toTaxonomy tells of a long word its beginning alone", () => {
    const word = "재활용".repeat(1_000_000)
    expect(toTaxonomy(classification(word)).outside).toEqual([{ field: "major_category", word: word.slice(0, 60) }])
  })
})

describe("minorGroupOf", () => {
  it("minorGroupOf finds an item's group in the words of either language, and none for an unknown one", () => {
    expect(["감기약", "Cough syrup", "신나", "엔진오일", "종이컵", "장화", null].map(minorGroupOf)).toEqual([
      "생활계유해폐기물",
      "생활계유해폐기물",
      "생활계유해폐기물",
      "생활계유해폐기물",
      "종이팩",
      null,
      null
    ])
  })
})

describe("toSituationTags", () => {
  it("toSituationTags keeps known tags only, each once, in their order and with the taxonomy's spelling", () => {
    expect(toSituationTags([" 라벨붙어있음", "멋짐", "깨짐".normalize("NFD"), "Label on", "Broken", ""])).toEqual([
      "라벨 붙어 있음",
      "깨짐"
    ])
  })
})
