/** The documents' tables say what the code says. */
import { describe, expect, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as KeyTables from "./harness/KeyTables.ts"

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")
const files = (pattern: string) => globSync(pattern, { cwd: fileURLToPath(new URL("..", import.meta.url)) })

describe("the documents", () => {
  it("docs/architecture.md has the key table of the code", () => {
    const rows = KeyTables.table.map(
      ({ content, lives, name, reader, type, writer }) =>
        `| \`${name}\` | ${type} | ${content} | ${lives} | ${writer} | ${reader} |`
    )
    const shown = read("docs/architecture.md")
      .split("\n")
      .filter((line) => /^\| `(\{(p|fleet|news)\}:|blacklist:|limit|breaker)/.test(line))
    expect(shown).toEqual(rows)
  })

  it("docs/operations.md names every metric of the code with its type, and no other", () => {
    const declared = files("packages/*/src/**/*.ts")
      .flatMap((path) => [...read(path).matchAll(/Metric\.(counter|gauge|histogram)\(\s*"([a-z0-9_]+)"/g)])
      .map(([, type, name]) => `${name} ${type}`)
    const shown = [...read("docs/operations.md").matchAll(/^\| `(eco2_[a-z0-9_]+)` \| (\w+) \|/gm)].map(
      ([, name, type]) => `${name} ${type}`
    )
    expect(shown.toSorted()).toEqual(declared.toSorted())
  })
})
