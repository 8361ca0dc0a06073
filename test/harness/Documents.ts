/** Documents: the links and paths in the project's Markdown, so that a test can report those that lead nowhere. */
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))
export const read = (path: string): string => readFileSync(join(root, path), "utf8")
export const files = (...patterns: ReadonlyArray<string>): ReadonlyArray<string> =>
  globSync(patterns, { cwd: root, exclude: (name) => name.includes("node_modules") })

/** Every document written by hand. */
export const all = files("*.md", "docs/**/*.md", "packages/*/README.md", "deploy/**/README.md")

/** The anchor that a page makes of a heading. */
export const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-")

const anchorsOf = (path: string) => [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchor(heading ?? ""))

const isThere = (path: string) => (path.includes("*") ? files(path).length > 0 : existsSync(join(root, path)))

/** Links of a document, found at `path`, whose file or heading does not exist. */
export const brokenLinks = (path: string, text: string): ReadonlyArray<string> =>
  [...text.matchAll(/\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)/g)].flatMap(([link, file = "", heading]) => {
    const target = file === "" ? path : normalize(join(dirname(path), file))
    if (!isThere(target)) return [link]
    return heading === undefined || anchorsOf(target).includes(heading) ? [] : [link]
  })

/**
 * Paths from the root that a text names and that do not exist; `*` stands for any name, and "(new)" follows a file to be made. What
 * runs write (`test/.artifacts/`) is there after a run.
 */
export const missingPaths = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/(?<![\w./@$…<-])(?:packages|deploy|test|docs|scripts)\/[\w./*-]*[\w*/]/g)]
    .filter(({ 0: path, index }) => !text.startsWith("` (new)", index + path.length))
    .map(([path]) => path)
    .filter((path) => !path.startsWith("test/.artifacts/") && !isThere(path))

export interface Commands {
  /** The heading above them. */
  readonly heading: string
  readonly text: string
}
/** The first line of a block of commands that no test runs. */
export const notTried = "# not tried by the tests"

/** The blocks of commands in a document, in order. */
export const commands = (path: string): ReadonlyArray<Commands> => {
  let heading = ""
  return [...read(path).matchAll(/^#+ (.+)$|^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, title, text]) => {
    if (title !== undefined) heading = title
    return text === undefined ? [] : [{ heading, text }]
  })
}
