/** Every invariant has one number and a test, and is cited where it belongs. The rules are in harness/InvariantRules.ts. */
import { describe, expect, it } from "vitest"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { citedByComments, citedByTitles, defined, duplicates, objections, subjects } from "./harness/InvariantRules.ts"

const root = fileURLToPath(new URL("../", import.meta.url))
const read = (pattern: string) =>
  globSync(pattern, { cwd: root, exclude: (name) => name.includes("node_modules") }).map((path) => ({
    path,
    text: readFileSync(`${root}${path}`, "utf8")
  }))
const numbers = defined(readFileSync(`${root}docs/architecture.md`, "utf8"))
// these contain samples of citations
const tests = read("test/**/*.ts").filter(({ path }) => !/\/(invariants|titles)\.test|InvariantRules/.test(path))

describe("the invariants of docs/architecture.md", () => {
  it("each invariant has a number of its own, over all packages", () => {
    expect(numbers.length).toBeGreaterThan(20)
    expect(duplicates(numbers)).toEqual([])
    expect(Object.keys(subjects).toSorted()).toEqual([...new Set(numbers.map((number) => number.charAt(0)))].toSorted())
  })

  it("each invariant is cited by a test's title", () => {
    const cited = new Set(tests.flatMap(({ text }) => citedByTitles(text)))
    expect(numbers.filter((number) => !cited.has(number))).toEqual([])
  })

  it("a test's title cites invariants that exist, and only those of its subject", () => {
    expect(tests.flatMap(({ path, text }) => objections(path, citedByTitles(text), numbers))).toEqual([])
  })

  it("a comment or document cites invariants that exist, and a comment only those of its subject", () => {
    const sources = ["packages/*/src/**/*.{ts,js,lua,sql}", "deploy/**/*.{ts,mjs}"].flatMap(read)
    const documents = ["*.md", "docs/**/*.md", "packages/*/*.md"].flatMap(read)
    expect(
      [...sources, ...documents, ...tests].flatMap((one) => objections(one.path, citedByComments(one), numbers))
    ).toEqual([])
  })
})

describe("the rules of citing", () => {
  const table = "| | |\n| --- | --- |\n| J1 | a job ends |\n| J2 | once |\n| N1 | given once |\n"

  it("a number that stands in two rows is found", () => {
    expect(duplicates(defined(table))).toEqual([])
    expect(duplicates(defined(`${table}| N1 | fetched |\n`))).toEqual(["N1"])
  })

  it("numbers at the start of a title are citations, and others are not", () => {
    const source =
      'it("J1 J2 a job", () => {})\nit(`N1 ${one}`, () => {})\nit("a job of J3", () => expect("A1").toBe(1))'
    expect(citedByTitles(source)).toEqual(["J1", "J2", "N1"])
  })

  it("numbers in comments are citations, and those in code are not", () => {
    const text = '/** Ends (J1): once, J2. */\nconst J3 = "A1"\n// see N1-like\n-- L1 in Lua'
    expect(citedByComments({ path: "packages/core/src/job/Job.ts", text })).toEqual(["J1", "J2", "N1", "L1"])
    expect(citedByComments({ path: "docs/faults.md", text: "ends (J1)" })).toEqual(["J1"])
  })

  it("a number of no table, and one of another subject, are found", () => {
    const of = (path: string, ...cited: ReadonlyArray<string>) => objections(path, cited, defined(table))
    expect(of("test/core/job/model/JobModel.ts", "J1", "J2")).toEqual([])
    expect(of("packages/core/src/job/scripts/job.lua", "J1")).toEqual([])
    expect(of("test/e2e/news.test.ts", "J1", "N1")).toEqual([])
    expect(of("docs/faults.md", "N1")).toEqual([])
    expect(of("docs/faults.md", "J9")).toHaveLength(1)
    expect(of("test/core/job/JobLife.test.ts", "J9")).toEqual([
      "test/core/job/JobLife.test.ts cites J9, which no table defines"
    ])
    expect(of("test/core/net/GuardedFetch.test.ts", "N1")).toEqual([
      "test/core/net/GuardedFetch.test.ts cites N1, which is not of core/net"
    ])
  })
})
