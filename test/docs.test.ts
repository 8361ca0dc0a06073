/** The documents' tables match the code, and their links and paths exist. */
import { describe, expect, it } from "@effect/vitest"
import { all, brokenLinks, commands, files, missingPaths, notTried, read } from "./harness/Documents.ts"
import { floors } from "./harness/ImportRules.ts"
import * as KeyTables from "./harness/KeyTables.ts"

describe("the documents", () => {
  it("docs/architecture.md has the key table of the code", () => {
    const rows = KeyTables.table.map(
      ({ content, lives, name, reader, type, writer }) =>
        `| \`${name}\` | ${type} | ${content} | ${lives} | ${writer} | ${reader} |`
    )
    const [, keyspace = ""] = read("docs/architecture.md").split("\n## Keyspace\n")
    const shown = keyspace
      .split("\n")
      .filter((line) => /^\| `(\{(p|fleet|news)\}:|blacklist:|image-secret`|model:|limit|breaker)/.test(line))
    expect(shown).toEqual(rows)
  })

  it("docs/architecture.md has core's folders in the order in which they may import", () => {
    const [, inside = ""] = read("docs/architecture.md").split("\n### Inside core\n")
    const [table = ""] = inside.split("\nBeside them")
    expect([...table.matchAll(/^\| `([a-z]+)` \|/gm)].map(([, folder]) => folder)).toEqual(floors)
  })

  it("docs/architecture.md's glossary is in order, and names modules and scripts that exist", () => {
    const [, after = ""] = read("docs/architecture.md").split("\n## Glossary\n")
    const [glossary = ""] = after.split("\n## ")
    const rows = [...glossary.matchAll(/^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$/gm)].slice(2)
    const words = rows.map(([, word = ""]) => word)
    expect(words.length).toBeGreaterThan(30)
    expect(words).toEqual(words.toSorted())
    const modules = new Set(
      files("packages/*/src/**/*.{ts,lua}").flatMap((path) => {
        const name = path.split("/").at(-1) ?? ""
        return [name, name.replace(/\.ts$/, "")]
      })
    )
    const named = rows.flatMap(([, , where = ""]) =>
      [...where.matchAll(/`(\w+(?:\.lua)?)[.`]/g)].map(([, name]) => name ?? "")
    )
    expect(named.length).toBeGreaterThanOrEqual(words.length)
    expect(named.filter((name) => !modules.has(name))).toEqual([])
  })

  it("docs/operations/metrics.md names every metric of the code with its type, and no other", () => {
    const declared = files("packages/*/src/**/*.ts")
      .flatMap((path) => [...read(path).matchAll(/Metric\.(counter|gauge|histogram)\(\s*"([a-z0-9_]+)"/g)])
      .map(([, type, name]) => `${name} ${type}`)
    const shown = [
      ...read("docs/operations/metrics.md").matchAll(/^\| `((?:eco2|process|nodejs)_[a-z0-9_]+)` \| (\w+) \|/gm)
    ].map(([, name, type]) => `${name} ${type}`)
    expect(shown.toSorted()).toEqual(declared.toSorted())
  })

  it("documents link only to files and headings that exist", () => {
    const broken = all.flatMap((path) => brokenLinks(path, read(path)).map((link) => `${path}: ${link}`))
    expect(broken).toEqual([])
  })

  it("a link to a decision that is named by a number has the number of the decision", () => {
    const links = all.flatMap((path) =>
      [...read(path).matchAll(/\[(?:decision )?(\d+)\]\((?:[\w./]*\/)?(\d{4})-/g)].map(
        ([link, named, linked]) => [path, link, Number(named), Number(linked)] as const
      )
    )
    expect(links.length).toBeGreaterThan(50)
    const other = links.filter(([, , named, linked]) => named !== linked)
    expect(other).toEqual([])
  })

  it("a link to no file, or to no heading of a file, is reported", () => {
    const text =
      "[a](roles.md) [b](roles.md#probes) [c](#roles) [d](gone.md) [e](roles.md#gone) [f](https://x.example/g.md)"
    expect(brokenLinks("docs/operations/roles.md", text)).toEqual(["](gone.md)", "](roles.md#gone)"])
  })

  it("documents name only paths that exist", () => {
    // the changelog may name removed files
    const current = all.filter((path) => path !== "CHANGELOG.md")
    const missing = current.flatMap((path) => missingPaths(read(path)).map((gone) => `${path}: ${gone}`))
    expect(missing).toEqual([])
  })

  it("a path that is not there is reported, with and without a star", () => {
    const text =
      "`packages/core/src`, `test/gone.ts`, `packages/*/src/index.ts`, `docs/*.gone`, `docs/a.gone` (new), `test/.artifacts/a.json`, https://x.example/docs/b"
    expect(missingPaths(text)).toEqual(["test/gone.ts", "docs/*.gone"])
  })

  it("every block of commands for operators is tried by a test, or says that it is not", () => {
    const tried = {
      "docs/operations/alerts.md": "test/e2e/incidents.test.ts",
      "docs/operations/backup.md": "test/e2e/backup.test.ts",
      "docs/operations/models.md": "test/actors/model/Models.test.ts"
    }
    for (const [document, test] of Object.entries(tried))
      expect([test, read(test)]).toEqual([test, expect.stringContaining(document)])
    const untold = files("docs/operations/**/*.md")
      .filter((path) => !Object.hasOwn(tried, path))
      .flatMap((path) =>
        commands(path).flatMap(({ heading, text }) => (text.startsWith(notTried) ? [] : [`${path}: ${heading}`]))
      )
    expect(commands("docs/operations/backup.md").length).toBeGreaterThan(5)
    expect(untold).toEqual([])
  })

  it("source files name only documents that exist", () => {
    const named = files("{packages,deploy,test,scripts}/**/*.{ts,lua,sql,yaml,mjs}").flatMap((path) =>
      [...read(path).matchAll(/(?<![\w./-])docs\/[\w/-]+\.md/g)].map(([document]) => `${path}: ${document}`)
    )
    const there = new Set(all)
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter((one) => !there.has(one.split(": ")[1] ?? ""))).toEqual([])
  })
})
