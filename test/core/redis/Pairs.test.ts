/** Flat replies as maps. */
import { expect, it } from "vitest"
import * as Pairs from "../../../packages/core/src/redis/Pairs.ts"

it("a flat reply becomes a map of all its pairs in their order, and a last field without a value is left out", () => {
  expect([...Pairs.toMap(["job", "1", "ts", "", "job 2", "x"])]).toEqual([
    ["job", "1"],
    ["ts", ""],
    ["job 2", "x"]
  ])
  expect([...Pairs.toMap(["job", "1", "ts"])]).toEqual([["job", "1"]])
  expect(Pairs.toMap([]).size).toBe(0)
})
