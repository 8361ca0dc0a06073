import { describe, it } from "@effect/vitest"
import { strictEqual } from "@effect/vitest/utils"
import { excerpt } from "../../../packages/actors/src/model/Excerpt.ts"

describe("Excerpt", () => {
  it("an excerpt is one line of at most 200 characters", () => {
    strictEqual(excerpt(" a\n\tb  c ", ""), "a b c")
    strictEqual(excerpt("가나 ".repeat(500), "").length <= 200, true)
  })

  it("an excerpt has no part of the key, even where the cut goes through it", () => {
    strictEqual(excerpt(`${"x ".repeat(97)}my-secret-key`, "my-secret-key").includes("my-s"), false)
  })

  it("an excerpt has nothing that the user wrote, as it is or as JSON has it, even where the cut goes through it", () => {
    const words = 'my "secret" question'
    for (const repeated of [words, JSON.stringify(words)]) {
      strictEqual(/secret|my/.test(excerpt(`${"x ".repeat(95)}${repeated}`, "", [words])), false)
    }
    // words this short stand in any text
    strictEqual(excerpt("it is not allowed", "", ["is", ""]), "it is not allowed")
  })

  it("an excerpt has no picture, neither as a data URL nor bare", () => {
    const picture = Buffer.alloc(90, 7).toString("base64")
    strictEqual(excerpt(`see data:image/png;base64,${picture}!`, ""), "see [image]!")
    strictEqual(excerpt(`see ${picture} there`, ""), "see […] there")
  })
})
