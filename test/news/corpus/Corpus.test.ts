/** What people publish is read: the whole corpus, each document as it says. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { corpus } from "./Corpus.ts"
import { read } from "./Reading.ts"

it.effect("a corpus of feeds, replies and pages is read as published, or refused with a reason; nothing is lost", () =>
  Effect.gen(function* () {
    expect(corpus.length).toBeGreaterThanOrEqual(300)
    const outcomes = yield* Effect.forEach(corpus, (one) => Effect.map(read(one), (outcome) => ({ one, outcome })))
    const count = (test: (outcome: string) => boolean) => outcomes.filter(({ outcome }) => test(outcome)).length
    process.stdout.write(
      `${corpus.length} documents: ${count((outcome) => outcome === "right")} read right, ` +
        `${count((outcome) => outcome.startsWith("refused"))} refused with a reason, ` +
        `${count((outcome) => outcome.startsWith("lost"))} lost\n`
    )
    const wrong = outcomes
      .filter(({ one, outcome }) => outcome !== (one.expected.refused === true ? "refused" : "right"))
      .map(({ one, outcome }) => `${one.name}: ${outcome}`)
    expect(wrong).toEqual([])
  })
)
