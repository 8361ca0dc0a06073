/** The order of the fence's words stands in Lua and in TypeScript: here Redis writes what this process reads, and the other way. */
import { describe, expect, it } from "@effect/vitest"
import { Fence } from "@eco2/core"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { movesJobs } from "../../../packages/core/src/job/JobStore.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const preludes = movesJobs.map((file) => readFileSync(file, "utf8")).join("\n")
const isNumber = (name: string) => Fence.numbers.some((one) => one === name)
/** Words that differ, to tell them apart. */
const words = Fence.words.map((name, i) => (isNumber(name) ? String(100 + i) : `<${name}>`))

const evaluated = (lua: string, ...args: ReadonlyArray<string>) =>
  Effect.flatMap(Fleet.joined(redis.url), (process) =>
    process.send("EVAL", `${preludes}\n${lua}`, 1, "eco2:{0}", 0, ...args)
  )

describe("the fence", () => {
  it.live("the scripts write the fence's words in the order in which they are read", () =>
    Effect.gen(function* () {
      const fields = Fence.words.map((name, i) => `${name} = "${words[i]}"`).join(", ")
      const text = yield* evaluated(`return text_of({ ${fields} })`)
      expect(Fence.split(String(text))).toEqual(Object.fromEntries(Fence.words.map((name, i) => [name, words[i]])))
    })
  )

  it.live("the scripts read a fence's words by the names this process has for them", () =>
    Effect.gen(function* () {
      const read = Fence.words.map((name) => `f.${name}`).join(", ")
      expect(yield* evaluated(`local f = fence_of(ARGV[2]) return { ${read} }`, words.join(" "))).toEqual(words)
    })
  )

  it.live("an owner with spaces is one word of the fence, there and here", () =>
    Effect.gen(function* () {
      const text = [...words.slice(0, -1), "ann of green gables"].join(" ")
      expect(Fence.split(text)?.owner).toBe("ann of green gables")
      expect(yield* evaluated("return fence_of(ARGV[2]).owner", text)).toBe("ann of green gables")
    })
  )

  it.live.each(Fence.numbers)("a text without a number of %s is no fence, there and here", (name) =>
    Effect.gen(function* () {
      const text = words.with(Fence.words.indexOf(name), "never").join(" ")
      expect(Fence.split(text)).toBe(null)
      expect(yield* evaluated("return fence_of(ARGV[2]) == nil and 1 or 0", text)).toBe(1)
    })
  )

  for (const missing of [1, 2]) {
    it.live(`a text that lacks ${missing} of the fence's words is no fence, there and here`, () =>
      Effect.gen(function* () {
        const text = words.slice(0, -missing).join(" ")
        expect(Fence.split(text)).toBe(null)
        expect(yield* evaluated("return fence_of(ARGV[2]) == nil and 1 or 0", text)).toBe(1)
      })
    )
  }
})
