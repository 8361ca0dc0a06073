/** Every pattern by which a suite or an order names its files names some: a file that moves must not leave a run in silence. */
import { expect, it } from "vitest"
import { globSync } from "node:fs"
import { fileURLToPath } from "node:url"
import denoSuite from "../vitest.deno.config.ts"
import { seconds } from "./Order.ts"
import { patterns } from "../vitest.config.ts"

const root = fileURLToPath(new URL("../", import.meta.url))

/** `a/{b,c}/d` as `a/b/d` and `a/c/d`: each alternative has to name a file. */
const expanded = (pattern: string): ReadonlyArray<string> => {
  const [, before = "", inside, after = ""] = /^([^{]*)\{([^}]*)\}(.*)$/.exec(pattern) ?? []
  return inside === undefined ? [pattern] : inside.split(",").flatMap((one) => expanded(`${before}${one}${after}`))
}
const empty = (all: ReadonlyArray<string>) =>
  all.flatMap(expanded).filter((pattern) => globSync(pattern, { cwd: root }).length === 0)

it.each([
  ["vitest.config.ts", patterns],
  ["vitest.deno.config.ts", [...(denoSuite.test?.include ?? []), ...(denoSuite.test?.exclude ?? [])]],
  ["test/Order.ts", Object.keys(seconds)]
])("every pattern of %s names at least one file", (_, all) => {
  expect(all.length).toBeGreaterThan(5)
  expect(empty(all)).toEqual([])
})

it("a pattern that names no file is found, in each of its alternatives", () => {
  expect(empty(["test/{suites,gone}.test.ts", "test/gone/**/*.test.ts"])).toEqual([
    "test/gone.test.ts",
    "test/gone/**/*.test.ts"
  ])
})
