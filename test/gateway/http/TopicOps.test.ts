/** The operators' list of topics has each that the code has. */
import { expect, it } from "vitest"
import { globSync, readFileSync } from "node:fs"
import { topics } from "../../../packages/gateway/src/http/TopicOpsHandlers.ts"

it("the topics that operators see are those that the sources declare", () => {
  const sources = globSync("packages/*/src/**/*.ts").map((path) => readFileSync(path, "utf8"))
  const declared = sources.flatMap((source) =>
    [...source.matchAll(/Topic\.make\("([^"]+)"/g)].map(([, name = ""]) => name)
  )
  expect(declared.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(topics)
})
