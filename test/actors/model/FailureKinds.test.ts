/** The table of what the errors of a model call mean: complete, and obeyed by whoever acts on an error. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { billedOf, kindOf, kinds, tagsOf } from "../../../packages/actors/src/model/FailureKinds.ts"
import type { FailureKind } from "../../../packages/actors/src/model/FailureKinds.ts"
import { ModelError } from "../../../packages/actors/src/model/ModelError.ts"
import { errorCode } from "../../../packages/actors/src/scan/ScanResult.ts"
import { modelRetry } from "../../../packages/actors/src/scan/ModelRetry.ts"

const texts = readFileSync(new URL("../../../packages/gateway/src/web/texts.js", import.meta.url), "utf8")
const members = ModelError.members
const rows: ReadonlyArray<readonly [tag: string, kind: FailureKind]> = Object.entries(kinds)
const made = (tag: string): ModelError => {
  const member = members.find(({ identifier }) => identifier === tag)
  if (member === undefined) throw new Error(`no error ${tag}`)
  const fields = { provider: "openai", model: "m", message: "no", excerpt: "", retryAfterMillis: 5_000 }
  return new member(fields)
}

describe("FailureKinds", () => {
  it("every error of a model call has exactly one row in the table", () => {
    expect(rows.map(([tag]) => tag).sort()).toEqual(members.map(({ identifier }) => identifier).sort())
  })

  it("what an operator must mend parks jobs and opens the breaker; what is the job's own, or was asked twice, ends it", () => {
    expect([...tagsOf("park")].sort()).toEqual([
      "DayBudgetSpent",
      "ModelAccountExhausted",
      "ModelUnauthorized",
      "ModelUnsuitable"
    ])
    expect(rows.filter(([, { breaker }]) => breaker === "trip").map(([tag]) => tag)).toEqual([
      "ModelUnauthorized",
      "ModelAccountExhausted",
      "ModelUnsuitable"
    ])
    expect([...tagsOf("never")].sort()).toEqual([
      "CallBudgetSpent",
      "ImageUnusable",
      "JobBudgetSpent",
      "ModelInputTooLong",
      "ModelRefused",
      "UserBudgetSpent"
    ])
    expect([...tagsOf("repair")]).toEqual(["ModelOutputInvalid"])
    expect([...tagsOf("backoff")].sort()).toEqual([
      "ModelFormRefused",
      "ModelTimeout",
      "ModelUnavailable",
      "PictureUnavailable"
    ])
  })

  it.effect.each(rows)("a %s is retried as its row says", ([tag, kind]) =>
    Effect.gen(function* () {
      const { _tag: first } = yield* modelRetry.decide(made(tag), 1)
      const last = yield* modelRetry.decide(made(tag), 9)
      const expected = {
        never: ["give-up", { _tag: "give-up", heals: false }],
        // GuardedModels has asked once more by then
        repair: ["give-up", { _tag: "give-up", heals: false }],
        park: ["give-up", { _tag: "give-up", heals: true }],
        backoff: ["again", { _tag: "give-up", heals: tag !== "PictureUnavailable" }],
        wait: ["later", expect.objectContaining({ _tag: "later" })]
      }[kind.retry]
      expect([first, last]).toEqual(expected)
    })
  )

  it.each(rows)(
    "%s: what opens a breaker is no job's fault, and what is the job's goes to no other model",
    (_, kind) => {
      if (kind.breaker === "trip") expect(["model", "account"]).toContain(kind.scope)
      if (kind.scope === "job") expect([kind.elsewhere, kind.breaker === "trip"]).toEqual([false, false])
      if (kind.scope === "model" || kind.scope === "account") expect(kind.elsewhere).toBe(true)
      // nothing that was done is waited for as if it had not been
      if (kind.retry === "wait") expect(kind.billed).toBe("no")
    }
  )

  it.each(rows.filter(([, { retry }]) => retry === "never" || retry === "repair" || retry === "park"))(
    "a job that ends with %s is explained to its user in both languages",
    (tag) => {
      // one line for each language
      expect(texts.split("\n").filter((line) => line.startsWith(`  "error.${errorCode(tag)}": `))).toHaveLength(2)
    }
  )

  it.each(rows)("%s: an error that knows better than its row whether it was billed says so", (tag, kind) => {
    const error = made(tag)
    expect([billedOf(error), kindOf(error)]).toEqual([kind.billed, kind])
    expect(billedOf({ _tag: error._tag, billed: "yes" })).toBe("yes")
  })
})
