import { expect, it } from "@effect/vitest"
import * as RateLimitReset from "../../../packages/actors/src/model/RateLimitReset.ts"

it.each([
  ["1s", 1_000],
  ["6m0s", 360_000],
  ["120ms", 120],
  ["1h2m3.5s", 3_723_500],
  ["20.3ms", 21],
  ["2", 2_000],
  ["1d", 86_400_000],
  ["", null],
  ["soon", null],
  ["-1s", null],
  ["1s later", null]
])("a reset of %j is %j milliseconds", (text, millis) => {
  expect(RateLimitReset.millisOf(text)).toBe(millis)
})
