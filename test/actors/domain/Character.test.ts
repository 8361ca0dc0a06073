/** The built-in catalogue, and which character a scan earns. */
import { Schema } from "effect"
import { describe, expect, it } from "vitest"
import {
  Character,
  characters,
  defaultCharacter,
  matchCharacter,
  reasonIn,
  textsIn
} from "../../../packages/actors/src/domain/Character.ts"
import { middleCategories } from "../../../packages/actors/src/domain/Waste.ts"

describe("the catalogue", () => {
  it("the catalogue has the thirteen characters of the contract", () => {
    expect(characters.map(({ code, match_label, name }) => `${name}→${match_label} ${code}`)).toEqual([
      "페이피→종이 char-paepy",
      "팩토리→종이팩 char-factory",
      "페티→무색페트병 char-petty",
      "메탈리→금속류 char-metally",
      "비니→비닐류 char-bini",
      "글래시→유리병 char-glassy",
      "코튼→의류및원단 char-cotton",
      "플리→플라스틱류 char-plea",
      "일렉→전기전자제품 char-elec",
      "배리→전지 char-battery",
      "라이티→조명제품 char-lighty",
      "폼이→발포합성수지 char-foamy",
      "이코→null char-eco"
    ])
  })

  it("the catalogue has one character for every middle, each with its own dialog and type", () => {
    expect(characters.flatMap(({ match_label }) => match_label ?? []).sort()).toEqual([...middleCategories].sort())
    expect(new Set(characters.map(({ dialog }) => dialog)).size).toBe(13)
    expect(new Set(characters.map(({ type }) => type)).size).toBe(13)
  })

  it("the catalogue passes its own schema, with and without a store's id", () => {
    const decode = Schema.decodeUnknownSync(Schema.Array(Character))
    expect(decode(characters)).toEqual(characters)
    expect(decode([{ ...defaultCharacter, id: "1" }])).toEqual([{ ...defaultCharacter, id: "1" }])
  })
})

describe("matchCharacter", () => {
  it.each([
    ["the middle's character, the reason naming middle and minor", "종이", "신문지", "페이피", "종이>신문지"],
    ["the middle alone as the reason without a minor", "전지", null, "배리", "전지"],
    ["an empty minor as none", "전지", "  ", "배리", "전지"],
    ["이코 for a middle without a character", "고무류", "장화", "이코", "고무류>장화"],
    ["이코 for an empty middle", "", null, "이코", ""],
    ["the same in NFD and odd spaces", " 의류 및 원단".normalize("NFD"), null, "코튼", "의류 및 원단"]
  ])("matchCharacter gives %s", (_, middle, minor, name, reason) => {
    const character = characters.find((one) => one.name === name)
    expect(matchCharacter(characters, middle, minor)).toEqual({ character, reason })
  })

  it("matchCharacter follows the catalogue it is given, a changed label and a changed 이코 included", () => {
    const changed = { ...defaultCharacter, name: "새 이코", dialog: "반가워!" }
    const rubber = { ...defaultCharacter, code: "char-rubber", name: "고무", match_label: "고무류" }
    expect(matchCharacter([changed, rubber], "고무류", null).character.name).toBe("고무")
    expect(matchCharacter([changed, rubber], "종이", null).character.name).toBe("새 이코")
  })

  it("matchCharacter falls back to the built-in 이코 when the catalogue is empty", () => {
    expect(matchCharacter([], "종이", null).character.name).toBe("이코")
  })
})

describe("characters in English", () => {
  it("each of the thirteen has a type and a dialog of its own in English, and keeps its name", () => {
    const english = characters.map((character) => textsIn(character, "en"))
    expect(english.map(({ name }) => name)).toEqual(characters.map(({ name }) => name))
    expect(new Set(english.map(({ dialog }) => dialog)).size).toBe(13)
    expect(new Set(english.map(({ type }) => type)).size).toBe(13)
    expect(english.map(({ dialog, type }) => `${type} ${dialog}`).join(" ")).not.toMatch(/[가-힣]/)
    expect(characters.map((character) => textsIn(character, "ko"))).toEqual(characters)
  })

  it("textsIn leaves what an operator has written as it is, text by text", () => {
    const changed = { ...defaultCharacter, dialog: "반가워!" }
    expect(textsIn(changed, "en")).toEqual({ ...changed, type: "Environment" })
    const own = { ...defaultCharacter, code: "char-rubber" }
    expect(textsIn(own, "en")).toEqual(own)
  })

  it("reasonIn names middle and item in the language, and an unknown item as it is", () => {
    expect(reasonIn("en", "무색페트병", "생수병")).toBe("Clear PET bottles>water bottle")
    expect(reasonIn("en", "종이", "반짝이는 상자")).toBe("Paper>반짝이는 상자")
    expect(reasonIn("en", "전지", null)).toBe("Batteries")
    expect(reasonIn("ko", "전지", null)).toBe("전지")
  })
})
