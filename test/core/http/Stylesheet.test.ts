/** The sheets of all pages share one base. */
import { expect, it } from "vitest"
import { Stylesheet } from "@eco2/core/http"
import { globSync, readFileSync } from "node:fs"

const base = readFileSync("packages/core/src/http/base.css", "utf8")
const sheets = globSync("packages/*/src/{web,console}/*.css")

it("a page's sheet is served behind the base, and repeats no rule of it", () => {
  expect(sheets).toHaveLength(3)
  const rules = base.match(/^[^\s@/}][^{}]*\{[^}]*\}$/gm) ?? []
  expect(rules.length).toBeGreaterThan(5)
  for (const path of sheets) {
    const own = readFileSync(path, "utf8")
    expect(Buffer.from(Stylesheet.read(path)).toString("utf8")).toBe(base + own)
    expect(rules.filter((rule) => own.includes(rule))).toEqual([])
    expect(own).not.toContain("--leaf:")
  }
})
