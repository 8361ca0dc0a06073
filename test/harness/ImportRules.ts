/**
 * ImportRules: what each file may import, as a pure function of a file's path and text.
 *   core ← actors ← gateway (through actors' protocol), core ← news; composition roots (`main.ts`) may take layers
 *   inside core the folders are floors: each imports itself and those before it (`floors`), never one above
 *   only core/src/redis imports ioredis, only core/src/postgres imports postgres; the test kit is for tests; a package's source
 *   uses only what its package.json declares
 * Files under test/ are free. Applied to the whole tree by test/imports.test.ts.
 */
import { posix } from "node:path"

export interface Violation {
  readonly file: string
  readonly specifier: string
  readonly rule: string
}

/** Input for the check of npm packages: each package's `dependencies`, and the root's `devDependencies`. */
export interface Declared {
  readonly dependencies: Readonly<Record<string, ReadonlyArray<string>>>
  readonly devDependencies: ReadonlyArray<string>
}

/** Removes comments and keeps strings and templates, so that an example in a comment does not count as an import. */
function withoutComments(source: string): string {
  const token =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`|(?<=[(,=:[!&|?{};\n]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//g
  return source.replace(token, (found) => (found.startsWith("//") || found.startsWith("/*") ? " " : found))
}

const forms: ReadonlyArray<RegExp> = [
  // import x from "…", import type { x } from "…", import "…"
  /(?:^|[;}\n])\s*import\s*(?:type\s+)?(?:[\w$*{}\s,]+?\s*from\s*)?["']([^"'\n]+)["']/g,
  // export * from "…", export { x } from "…"
  /(?:^|[;}\n])\s*export\s*(?:type\s+)?(?:\*(?:\s*as\s+[\w$]+)?|\{[^}]*\})\s*from\s*["']([^"'\n]+)["']/g,
  // import("…"), in types too; import.meta.resolve("…"); require("…")
  /\bimport\s*\(\s*["'`]([^"'`\n]+)["'`]/g,
  /\bimport\.meta\.resolve\s*\(\s*["'`]([^"'`\n]+)["'`]/g,
  /\brequire\s*\(\s*["'`]([^"'`\n]+)["'`]/g,
  // a file that is read or run beside the source
  /\bnew\s+URL\s*\(\s*["'`]([^"'`\n]+)["'`]\s*,\s*import\.meta\.url/g
]

/** Every module or neighbouring file that a source names, in any of these ways; each once. */
export function importsOf(source: string): ReadonlyArray<string> {
  const code = withoutComments(source)
  return [...new Set(forms.flatMap((form) => [...code.matchAll(form)].map((match) => match[1] ?? "")))]
}

const siblings: Readonly<Record<string, ReadonlyArray<string>>> = {
  core: [],
  actors: ["@eco2/core"],
  gateway: ["@eco2/core", "@eco2/actors/protocol"],
  news: ["@eco2/core"]
}

/**
 * The folders of core/src, lowest first: a file imports its own folder and those before it. Files in core/src itself are the
 * package's entry points, which name what is given out.
 */
export const floors: ReadonlyArray<string> = [
  "clock",
  "config",
  "telemetry",
  "redis",
  "net",
  "supervision",
  "topic",
  "policy",
  "mailbox",
  "limit",
  "job",
  "worker",
  "actor",
  "pipeline",
  "schedule",
  "operations",
  "layers"
]
/** Beside the floors: each imports itself and the folders named, and no floor imports it. */
export const annexes: Readonly<Record<string, ReadonlyArray<string>>> = {
  http: ["config"],
  service: ["clock", "config", "telemetry", "supervision"],
  postgres: ["clock", "config", "telemetry"],
  server: [],
  testing: ["server"]
}

/** Why a file of one folder of core/src may not import from another; undefined if it may. Both as `mailbox/Mailbox.ts`. */
function climbs(from: string, to: string): string | undefined {
  const [own = "", other = ""] = [from, to].map((path) => path.split("/", 1)[0])
  if (!from.includes("/") || own === other) return undefined
  if (!to.includes("/")) return "entry points are for other packages"
  const near = annexes[own]
  if (near !== undefined)
    return near.includes(other) ? undefined : `core/src/${own} imports of core: ${near.join(", ") || "nothing"}`
  const [at, target] = [floors.indexOf(own), floors.indexOf(other)]
  if (at < 0) return `core/src/${own} has no floor`
  return target < 0 || target > at ? `core/src/${own} stands below ${other}` : undefined
}

/** `@scope/name/rest` → `@scope/name`; `name/rest` → `name`. */
const packageName = (specifier: string) => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")

function broken(file: string, specifier: string, declared: Declared): string | undefined {
  const relative = specifier.startsWith(".")
  const target = relative ? posix.join(posix.dirname(file), specifier) : undefined
  const npm = relative || /^(node:|#|data:|https?:|file:|\/)/.test(specifier) ? undefined : packageName(specifier)

  if (file.startsWith("test/")) return undefined
  if (npm === "ioredis" && !file.startsWith("packages/core/src/redis/")) return "only core/src/redis speaks to ioredis"
  if (npm === "postgres" && !file.startsWith("packages/core/src/postgres/")) {
    return "only core/src/postgres speaks to postgres"
  }
  if (target?.startsWith("test/")) return "only tests import tests"

  const place = /^packages\/([^/]+)\/src\/(.+)$/.exec(file)
  if (place === null) return undefined
  const [, name = "", inside = ""] = place
  const isKit = name === "core" && inside.startsWith("testing/")

  if (target !== undefined) {
    if (!`${target}/`.startsWith(`packages/${name}/`)) return "a package is left by its name, never by a relative path"
    if (!isKit && target.startsWith("packages/core/src/testing") && inside.includes("/"))
      return "the test kit is for tests"
    return name === "core" ? climbs(inside, posix.relative("packages/core/src", target)) : undefined
  }
  if (specifier.startsWith("#src/testing") && name === "core" && !isKit) return "the test kit is for tests"
  if (npm === undefined) return undefined
  if (npm.startsWith("@eco2/")) {
    if (specifier.startsWith("@eco2/core/testing")) return "the test kit is for tests"
    if (name === "gateway" && inside === "main.ts") return undefined
    const allowed = siblings[name] ?? []
    return allowed.some((one) => specifier === one || (one === "@eco2/core" && specifier.startsWith("@eco2/core/")))
      ? undefined
      : `${name} imports of the other packages: ${allowed.join(", ") || "nothing"}`
  }
  if (declared.dependencies[name]?.includes(npm)) return undefined
  if (declared.devDependencies.includes(npm)) return isKit ? undefined : "a devDependency is not there at run time"
  return `not among the dependencies of packages/${name}/package.json`
}

/** The imports of `file` (path from the root, with `/`) that break the rules. */
export function violations(file: string, source: string, declared: Declared): ReadonlyArray<Violation> {
  return importsOf(source).flatMap((specifier) => {
    const rule = broken(file, specifier, declared)
    return rule === undefined ? [] : [{ file, specifier, rule }]
  })
}

/** Files that import each other, directly or indirectly: each cycle once, from its first file by name. */
export function rings(imports: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<ReadonlyArray<string>> {
  const found: Array<ReadonlyArray<string>> = []
  const done = new Set<string>()
  const path: Array<string> = []
  const visit = (file: string): void => {
    const at = path.indexOf(file)
    if (at >= 0) found.push(path.slice(at))
    if (at >= 0 || done.has(file)) return
    path.push(file)
    for (const next of imports.get(file) ?? []) visit(next)
    path.pop()
    done.add(file)
  }
  for (const file of [...imports.keys()].toSorted()) visit(file)
  return found
}
