/** The four entries of GET /api/v1/scan/categories. */
import { Schema } from "effect"
import { expect, it } from "vitest"
import { ScanCategory, scanCategories } from "../../../packages/actors/src/domain/Categories.ts"

it("the categories are the contract's four, by id and name", () => {
  expect(scanCategories.ko.map(({ id, name }) => `${id} ${name}`)).toEqual([
    "recyclable 재활용폐기물",
    "general 일반폐기물",
    "food 음식물폐기물",
    "bulky 대형폐기물"
  ])
})

it("every category passes its schema and has at least three instructions", () => {
  for (const categories of [scanCategories.ko, scanCategories.en]) {
    expect(Schema.decodeUnknownSync(Schema.Array(ScanCategory))(categories)).toEqual(categories)
    expect(categories.map(({ id }) => id)).toEqual(["recyclable", "general", "food", "bulky"])
    for (const { instructions } of categories) expect(instructions.length).toBeGreaterThanOrEqual(3)
  }
  expect(JSON.stringify(scanCategories.en)).not.toMatch(/[가-힣]/)
})
