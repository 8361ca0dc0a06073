/** One script made of a page's modules. */
import { describe, expect, it, onTestFinished } from "vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runInNewContext } from "node:vm"
import { ModuleBundle } from "@eco2/core/http"

const folderOf = (files: Readonly<Record<string, string>>): string => {
  const folder = mkdtempSync(join(tmpdir(), "eco2-modules-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return `${folder}/`
}
const ran = (files: Readonly<Record<string, string>>): unknown => {
  const told: Array<unknown> = []
  runInNewContext(ModuleBundle.make(folderOf(files), "app.js"), { tell: (what: unknown) => told.push(what) })
  return told
}

describe("a bundle of modules", () => {
  it("a bundle runs each module once, after those it imports, and keeps their names apart", () => {
    expect(
      ran({
        "app.js":
          'import { two } from "./b.js"\nimport {\n  one as first,\n} from "./a.js"\nconst own = "app"\ntell([own, first(), two])\n',
        "b.js": 'import { one } from "./a.js"\nconst own = "b"\ntell(own)\nexport const two = one() + 1\n',
        "a.js":
          '/** Says that it runs. */\nconst own = "a"\n// once\ntell(own)\nexport function one() {\n  return 1\n}\n'
      })
    ).toEqual(["a", "b", ["app", 1, 2]])
  })

  it("a bundle keeps what stands behind a comment at the start of a line", () => {
    expect(ran({ "app.js": 'const a =\n  /** @type {string} */ ("a")\ntell(a)\n/** Says b. */\ntell("b")\n' })).toEqual(
      ["a", "b"]
    )
  })

  it("a bundle has no comments, and what only looks like one in a text stays", () => {
    const folder = folderOf({
      "app.js": '/**\n * Long words.\n */\n// more\nconst url = "https://a.example/**/b" // why\ntell(url)\n'
    })
    const script = ModuleBundle.make(folder, "app.js")
    expect(script).not.toContain("words")
    expect(script).not.toContain("more")
    expect(script).toContain('"https://a.example/**/b"')
  })

  it.each<readonly [what: string, files: Readonly<Record<string, string>>, words: string]>([
    [
      "modules that import each other",
      { "app.js": 'import { b } from "./b.js"\n', "b.js": 'import { c } from "./app.js"\nexport const b = 1\n' },
      "import each other"
    ],
    [
      "a name that is not exported",
      { "app.js": 'import { b } from "./b.js"\n', "b.js": "export const c = 1\n" },
      "exports no b"
    ],
    ["a default export", { "app.js": "export default 1\n" }, "not a form"],
    ["an import of another folder", { "app.js": 'import { b } from "../b.js"\n' }, "not a form"],
    ["a syntax error", { "app.js": "const = 1\n" }, "Unexpected token"],
    ["an import of all", { "app.js": 'import * as b from "./b.js"\n' }, "not a form"]
  ])("a bundle of %s is refused", (_, files, words) => {
    expect(() => ModuleBundle.make(folderOf(files), "app.js")).toThrow(words)
  })
})
