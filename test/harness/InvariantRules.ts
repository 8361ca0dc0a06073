/**
 * InvariantRules: the numbers of the invariants (J1, A2, …), as pure functions over the texts that define and cite them.
 *   defined  a row `| J1 | claim |` in a table of docs/architecture.md
 *   cited    at the start of a test's title, in a source's comments, in a document
 *   subject  a letter belongs to a subject, and only the folders of that subject cite it
 * Applied to the whole tree by test/invariants.test.ts.
 */
import { posix } from "node:path"

export interface Text {
  readonly path: string
  readonly text: string
}

/** The folders, under packages/<package>/src and under test/, that may cite a letter. */
export const subjects: Readonly<Record<string, ReadonlyArray<string>>> = {
  // jobs
  J: [
    ...["core/job", "core/worker", "core/actor", "core/pipeline", "core/schedule", "core/operations"],
    ...["actors/scan", "actors/character", "gateway/events", "gateway/http", "deploy/cli"]
  ],
  // actors: deliveries, leases, stopping
  A: [
    ...["core/redis", "core/supervision", "core/policy", "core/mailbox", "core/job", "core/worker", "core/actor"],
    ...["core/pipeline", "core/operations", "core/service", "actors/scan", "gateway/events", "gateway/http"]
  ],
  // limits
  L: ["core/limit", "core/job", "actors/model"],
  // paid calls
  B: ["core/job", "core/pipeline", "actors/model", "actors/scan", "fault"],
  // schedules
  T: ["core/schedule", "news/collect"],
  // guarded fetches
  G: ["core/net", "actors/model", "news/collect"],
  // what is left of pictures
  I: ["actors/image", "actors/model", "gateway/http", "gateway/web"],
  // the lists of news
  N: ["news/store", "news/http"],
  // HTTP: routes and connections
  H: ["core/http", "core/service", "gateway/http", "gateway/auth", "news/http"],
  // pictures of news
  P: ["news/collect"],
  // duplicates of news
  D: ["news/domain", "news/store"]
}
/** Tests of the whole: they may cite every letter. */
const whole = ["core", "e2e", "browser", "fault"]

/** The invariants' numbers in the order of their rows. */
export const defined = (document: string): ReadonlyArray<string> =>
  [...document.matchAll(/^\| ([A-Z]\d{1,2}) \|/gm)].map(([, number = ""]) => number)

/** Numbers at the start of a title, `"J1 J2 a job …"`; each once. */
export const citedByTitles = (source: string): ReadonlyArray<string> => [
  ...new Set(
    [...source.matchAll(/["`]((?:[A-Z]\d{1,2} )+)\S/g)].flatMap(([, numbers = ""]) => numbers.trim().split(" "))
  )
]

/** Numbers as words of a text, `(J3)`; each once. S3 is the protocol of object storages, and no invariant. */
const citedByWords = (text: string) => [...new Set(text.match(/(?<![\w"&%#./-])(?!S3\b)[A-Z]\d{1,2}(?!\w)/g))]

/** Numbers in the comments of TypeScript, JavaScript, Lua and SQL, or anywhere in a document; each once. */
export const citedByComments = ({ path, text }: Text): ReadonlyArray<string> =>
  citedByWords(path.endsWith(".md") ? text : (text.match(/\/\*[\s\S]*?\*\/|(?:\/\/|--)[^\n]*/g) ?? []).join("\n"))

export const duplicates = (numbers: ReadonlyArray<string>): ReadonlyArray<string> =>
  numbers.filter((number, at) => numbers.indexOf(number) !== at)

/** `packages/core/src/job/scripts/job.lua` and `test/core/job/model/JobModel.ts` are both of `core/job`. */
const folderOf = (path: string) =>
  posix
    .dirname(path.replace(/^packages\/([^/]+)\/src\//, "$1/").replace(/^test\//, ""))
    .split("/", 2)
    .join("/")

/** What is wrong with a file's citations: a number of no table, or of another subject than the file's folder. */
export function objections(path: string, cited: ReadonlyArray<string>, numbers: ReadonlyArray<string>) {
  const folder = folderOf(path)
  return cited.flatMap((number) => {
    if (!numbers.includes(number)) return [`${path} cites ${number}, which no table defines`]
    const isFree = path.endsWith(".md") || whole.includes(folder)
    return isFree || subjects[number.charAt(0)]?.includes(folder)
      ? []
      : [`${path} cites ${number}, which is not of ${folder}`]
  })
}
