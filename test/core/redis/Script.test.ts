/** Scripts as they are declared: what a Cluster is told of their keys is what their text says. */
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { Script } from "@eco2/core/redis"
import { globSync } from "node:fs"
import { basename } from "node:path"

const file = (path: string) => new URL(`../../../packages/core/src/${path}`, import.meta.url)
const declare = (path: string, numberOfKeys: number | "root") => () =>
  Script.make({ file: file(path), numberOfKeys, reply: Schema.Unknown })

describe("Script.make", () => {
  it("a script that builds names of keys and is declared with a number of keys is refused when it is made", () => {
    expect(declare("worker/scripts/reap.lua", 1)).toThrow('numberOfKeys of script reap must be "root"')
    expect(declare("mailbox/scripts/depth.lua", 1)).toThrow('numberOfKeys of script depth must be "root"')
    expect(declare("worker/scripts/reap.lua", "root")).not.toThrow()
  })

  it("a script that uses its declared keys alone and is declared as one that builds names is refused when it is made", () => {
    expect(declare("mailbox/scripts/append.lua", "root")).toThrow("numberOfKeys of script append must count its keys")
    expect(declare("mailbox/scripts/append.lua", 1)).not.toThrow()
  })

  it("no two scripts have one name, by which the driver knows them", () => {
    const names = globSync("packages/*/src/**/*.lua").map((path) => basename(path))
    expect(names.length).toBeGreaterThan(30)
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
  })
})
