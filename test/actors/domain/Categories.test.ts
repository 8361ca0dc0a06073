/** The four entries of GET /api/v1/scan/categories. */
import { Schema } from "effect"
import { expect, it } from "vitest"
import { ScanCategory, scanCategories } from "../../../packages/actors/src/domain/Categories.ts"

it("the categories are the contract's four, by id and name", () => {
  expect(scanCategories.map(({ id, name }) => `${id} ${name}`)).toEqual([
    "recyclable 재활용폐기물",
    "general 일반폐기물",
    "food 음식물폐기물",
    "bulky 대형폐기물"
  ])
})

it("every category passes its schema and has at least three instructions", () => {
  expect(Schema.decodeUnknownSync(Schema.Array(ScanCategory))(scanCategories)).toEqual(scanCategories)
  for (const { instructions } of scanCategories) expect(instructions.length).toBeGreaterThanOrEqual(3)
})
