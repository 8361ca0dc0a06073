/** The examples run as the READMEs print them. */
import { describe, expect, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as Fleet from "./CoreFixture.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const redis = Fleet.privateRedis()
const text = (file: string) => readFileSync(`${root}${file}`, "utf8")
const blocksOf = (file: string) => [...text(file).matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code)

/** By file, what each prints. */
const prints: Readonly<Record<string, RegExp>> = {
  "pipeline.ts": /^in short: what https:\/\/example\.org says$/m,
  "ask.ts": /^bolts: 7\nnuts: NoSuchPart$/m,
  "schedule.ts": /^slot \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/m,
  "topic.ts": /^a bolt costs 12$/m
}
const files = globSync("packages/core/examples/*.ts", { cwd: root })

describe("the library's examples", () => {
  it("core's README shows every example word for word, and no other code", () => {
    expect(new Set(blocksOf("packages/core/README.md"))).toEqual(new Set(files.map(text)))
    expect(blocksOf("README.md").at(-1)).toBe(text("packages/core/examples/pipeline.ts"))
  })

  it("README's short example has only lines of the pipeline example, in their order", () => {
    const linesOf = (code: string) => code.split("\n").flatMap((line) => line.trim() || [])
    const [short = "", ...whole] = blocksOf("README.md")
    const shown = new Set(linesOf(short))
    expect(shown.size).toBeGreaterThan(0)
    expect(linesOf(whole.join("\n")).filter((line) => shown.has(line))).toEqual(linesOf(short))
  })

  it("every example, guide and README runs a process by Worker.run, Client.run or Role.run, which stop it in order", () => {
    for (const file of files) expect(text(file), file).toMatch(/^(Worker|Client)\.run\(/m)
    const guides = [
      ...globSync("docs/**/*.md", { cwd: root }),
      ...globSync("packages/*/README.md", { cwd: root }),
      "README.md"
    ]
    for (const file of guides) expect(text(file), file).not.toMatch(/run(Promise|Fork|Main)\(/)
  })

  it.each(files)("%s runs to its end and prints what it promises", { timeout: 60_000 }, async (file) => {
    const { stdout } = await promisify(execFile)(process.execPath, [`${root}${file}`], {
      env: { PATH: process.env.PATH, REDIS_URL: redis.url },
      timeout: 50_000
    })
    expect(stdout).toMatch(prints[file.split("/").at(-1)!]!)
  })
})
