/**
 * A report of failures shows a title alone, so a title must name its subject and not continue its `describe` ("that was given
 * back …", "is refused …"). Judged by its first word, after the invariants' numbers.
 */
import { expect, it } from "vitest"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** Words that begin the rest of a sentence whose subject is elsewhere. */
const continuing = [
  ...[
    "that",
    "whose",
    "which",
    "who",
    "by",
    "for",
    "from",
    "to",
    "with",
    "is",
    "are",
    "was",
    "were",
    "has",
    "have",
    "had"
  ],
  ...[
    "does",
    "do",
    "may",
    "can",
    "must",
    "gives",
    "takes",
    "keeps",
    "shows",
    "refuses",
    "ends",
    "finds",
    "says",
    "tells"
  ],
  ...["fails", "counts", "leaves", "goes", "gets", "lets", "makes", "needs", "knows", "sees", "asks", "reads", "comes"],
  ...["stays", "stands", "serves", "starts", "stops", "runs", "opens", "closes"]
]
const title = /\b(?:it|test|live)\b[^"'`\n]{0,80}?\(\s*["`](?:[A-Z]\d{1,2} )*(\w+)\b[^"`\n]*/g
/** The titles in a test's source that lack their subject. */
const without = (source: string) =>
  [...source.matchAll(title)].flatMap(([found, word = ""]) => (continuing.includes(word) ? [found] : []))

it("every title of a test names its subject", () => {
  const root = fileURLToPath(new URL("../", import.meta.url))
  const files = globSync("test/**/*.ts", { cwd: root }).filter((path) => path !== "test/titles.test.ts")
  const lacking = files.flatMap((path) =>
    without(readFileSync(`${root}${path}`, "utf8")).map((found) => `${path}: ${found}`)
  )
  expect(lacking).toEqual([])
})

it("a title that continues a sentence is found, in every way to declare a test", () => {
  const declared = (text: string) => [
    `it("${text}", () => {})`,
    `  it.live(\n    "${text}",\n    () => {})`,
    `it.effect.each(rows)("${text}", () => {})`,
    `it.skipIf(missing)(\`${text}\`, () => {})`
  ]
  for (const lacking of ["that was given back is free", "L1 J2 is refused with 429", "whose lease is over ends"])
    expect(declared(lacking).flatMap(without)).toHaveLength(4)
  for (const whole of [
    "a permit that was given back is free",
    "J1 a job is refused",
    "countsOf() counts",
    "one is told"
  ])
    expect(declared(whole).flatMap(without)).toEqual([])
})
