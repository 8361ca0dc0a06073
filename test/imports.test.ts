/** Imports point one way. The rules are in harness/ImportRules.ts; here they are applied to the tree, and tested themselves. */
import { describe, expect, it } from "vitest"
import { Schema } from "effect"
import { globSync, readFileSync } from "node:fs"
import { posix } from "node:path"
import { fileURLToPath } from "node:url"
import { annexes, floors, importsOf, rings, violations } from "./harness/ImportRules.ts"
import type { Declared } from "./harness/ImportRules.ts"

const root = fileURLToPath(new URL("../", import.meta.url))
const Names = Schema.Record(Schema.String, Schema.String)
const Manifest = Schema.fromJsonString(
  Schema.Struct({ dependencies: Schema.optional(Names), devDependencies: Schema.optional(Names) })
)
const manifest = (path: string) => Schema.decodeUnknownSync(Manifest)(readFileSync(`${root}${path}`, "utf8"))
const find = (pattern: string) => globSync(pattern, { cwd: root, exclude: (name) => name.includes("node_modules") })

const declared: Declared = {
  dependencies: Object.fromEntries(
    find("packages/*/package.json").map((path) => [
      path.split("/")[1] ?? "",
      Object.keys(manifest(path).dependencies ?? {})
    ])
  ),
  devDependencies: Object.keys(manifest("package.json").devDependencies ?? {})
}
const rulesBroken = (file: string, source: string) => violations(file, source, declared).map(({ rule }) => rule)

describe("imports", () => {
  it("every source file keeps to the direction core ← actors ← gateway, core ← news", () => {
    const files = [
      "packages/*/src/**/*.{ts,mts,js,mjs}",
      "deploy/**/*.{ts,mts,js,mjs}",
      "scripts/**/*.{ts,mts,js,mjs}"
    ].flatMap(find)
    expect(files.length).toBeGreaterThan(5)
    expect(files.flatMap((file) => violations(file, readFileSync(`${root}${file}`, "utf8"), declared))).toEqual([])
  })

  it("no two source files import each other, by types alone or around a corner either", () => {
    const files = ["packages/*/src/**/*.ts", "deploy/**/*.ts"].flatMap(find)
    const imports = new Map(
      files.map((file) => [
        file,
        importsOf(readFileSync(`${root}${file}`, "utf8"))
          .filter((specifier) => specifier.startsWith("."))
          .map((specifier) => posix.join(posix.dirname(file), specifier))
      ])
    )
    expect(rings(imports)).toEqual([])
  })

  it("a ring of imports is found, however long", () => {
    const ring = new Map([
      ["a.ts", ["b.ts"]],
      ["b.ts", ["c.ts", "d.ts"]],
      ["c.ts", ["a.ts"]],
      ["d.ts", []]
    ])
    expect(rings(ring)).toEqual([["a.ts", "b.ts", "c.ts"]])
  })

  it("every folder of core has its floor, and every floor its folder", () => {
    const folders = new Set(find("packages/core/src/*/**/*.ts").map((file) => file.split("/")[3] ?? ""))
    expect([...folders].toSorted()).toEqual([...floors, ...Object.keys(annexes)].toSorted())
  })

  it("every way to name a module is seen, and comments and strings are not", () => {
    const source = `
      import a from "a"
      import type { B } from 'b'
      import * as c from "c"; import "d"
      import {
        e,
        type E
      } from "e"
      import f, { g } from "f"
      export * from "g"
      export * as h from "h"
      export { i } from "./i.ts"
      export type { J } from "../j.ts"
      const k = await import("k")
      type L = import("l").L
      const m = readFileSync(new URL("./m.lua", import.meta.url), "utf8")
      const n = import.meta.resolve("n")
      const o = createRequire(import.meta.url)("o"), p = require("p")
      const url = "http://example.org" // import "comment"
      const quote = /["'\`]/
      /* import "block"
         import x from "block" */
      const text = "say: import 'text'"
      /** import { x } from "doc" */
      import q from "q"
    `
    expect(importsOf(source)).toEqual(
      expect.arrayContaining([
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
        "g",
        "h",
        "./i.ts",
        "../j.ts",
        "k",
        "l",
        "./m.lua",
        "n",
        "p",
        "q"
      ])
    )
    expect(importsOf(source)).toHaveLength(16)
  })

  const direction: ReadonlyArray<readonly [file: string, specifier: string, rule: RegExp]> = [
    ["packages/core/src/mailbox/Mailbox.ts", "ioredis", /only core\/src\/redis/],
    ["deploy/local/main.ts", "ioredis", /only core\/src\/redis/],
    ["packages/actors/src/character/RewardStore.ts", "postgres", /only core\/src\/postgres/],
    ["packages/core/src/actor/Actor.ts", "@eco2/actors/protocol", /imports of the other packages: nothing/],
    ["packages/core/src/actor/Actor.ts", "../../../../deploy/local/LocalRedis.ts", /left by its name/],
    ["packages/core/src/actor/Actor.ts", "../../../../test/globalSetup.ts", /only tests/],
    ["packages/core/src/mailbox/Mailbox.ts", "../worker/Lease.ts", /mailbox stands below worker/],
    ["packages/core/src/mailbox/Mailbox.ts", "../job/scripts/job.lua", /mailbox stands below job/],
    ["packages/core/src/redis/RedisClient.ts", "../service/Logging.ts", /redis stands below service/],
    ["packages/core/src/redis/RedisClient.ts", "../telemetry.ts", /entry points/],
    ["packages/core/src/postgres/Postgres.ts", "../redis/RedisClient.ts", /core\/src\/postgres imports of core: clock/],
    ["packages/core/src/oddments/Odd.ts", "../redis/RedisClient.ts", /has no floor/],
    ["packages/core/src/layers/Worker.ts", "../testing/FaultProxy.ts", /test kit/],
    ["packages/actors/src/main.ts", "@eco2/gateway/layers", /imports of the other packages: @eco2\/core/],
    ["packages/actors/src/scan/VisionStage.ts", "@eco2/core/testing", /test kit/],
    ["packages/actors/src/scan/VisionStage.ts", "../../../core/src/redis/Keys.ts", /left by its name/],
    ["packages/actors/src/scan/VisionStage.ts", "vitest", /devDependency/],
    ["packages/actors/src/scan/VisionStage.ts", "left-pad", /not among the dependencies/],
    ["packages/gateway/src/http/ScanApi.ts", "@eco2/actors/layers", /@eco2\/actors\/protocol/],
    ["packages/gateway/src/http/ScanApi.ts", "@eco2/actors", /@eco2\/actors\/protocol/],
    ["packages/news/src/domain/Article.ts", "@eco2/actors/protocol", /imports of the other packages: @eco2\/core/],
    ["deploy/local/main.ts", "../../test/globalSetup.ts", /only tests/]
  ]
  it.each(direction)("%s may not import %s", (file, specifier, rule) => {
    expect(rulesBroken(file, `import * as x from "${specifier}"\n`)).toEqual([expect.stringMatching(rule)])
    expect(rulesBroken(file, `const x = await import("${specifier}")\n`)).toHaveLength(1)
  })

  const allowed: ReadonlyArray<readonly [file: string, specifier: string]> = [
    ["packages/core/src/redis/RedisClient.ts", "ioredis"],
    ["packages/core/src/postgres/Postgres.ts", "postgres"],
    ["packages/core/src/mailbox/Mailbox.ts", "../redis/Keys.ts"],
    ["packages/core/src/layers/Worker.ts", "../clock/Elapsed.ts"],
    ["packages/core/src/service/Role.ts", "../supervision/Readiness.ts"],
    ["packages/core/src/testing.ts", "./testing/FaultProxy.ts"],
    ["packages/core/src/testing/PostgresServer.ts", "vitest"],
    ["packages/actors/src/scan/VisionStage.ts", "@eco2/core"],
    ["packages/actors/src/character/CharacterStore.ts", "@eco2/core/postgres"],
    ["packages/actors/src/scan/VisionStage.ts", "node:crypto"],
    ["packages/actors/src/scan/VisionStage.ts", "effect/Effect"],
    ["packages/gateway/src/http/ScanApi.ts", "@eco2/actors/protocol"],
    ["packages/gateway/src/main.ts", "@eco2/actors/layers"],
    ["packages/news/src/main.ts", "@eco2/core"],
    ["deploy/local/main.ts", "@eco2/gateway/layers"],
    ["test/e2e/scan.test.ts", "../../packages/core/src/redis/Keys.ts"]
  ]
  it.each(allowed)("%s may import %s", (file, specifier) => {
    expect(rulesBroken(file, `import * as x from "${specifier}"\n`)).toEqual([])
  })
})
