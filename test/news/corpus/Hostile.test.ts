/**
 * Nobody's markup holds the process: the work between two yields is bounded, whatever a document is. Measured in the processor
 * time of this thread, which does not grow with what else the machine does.
 */
import { expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { picturesIn } from "../../../packages/news/src/collect/PagePictures.ts"
import * as Charset from "../../../packages/news/src/domain/Charset.ts"
import * as FeedDocument from "../../../packages/news/src/source/FeedDocument.ts"
import * as Slices from "../../../packages/news/src/Slices.ts"
import { size } from "../../harness/Long.ts"
import { feeds, jsonFeeds, pages } from "./Hostile.ts"
import { read } from "./Reading.ts"

/** Milliseconds of this thread's processor time. */
const used = () => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1_000
}

/** Of the hostile feeds, those whose articles are made too. */
const everyNth = size("HOSTILE_EVERY", { short: 4, long: 1 })

interface Measured {
  readonly name: string
  readonly longest: number
  readonly whole: number
}
const slowest = (measured: ReadonlyArray<Measured>, by: "longest" | "whole") =>
  measured.toSorted((a, b) => b[by] - a[by])[0] ?? { name: "", longest: 0, whole: 0 }
const told = (what: string, measured: ReadonlyArray<Measured>) => {
  const [piece, whole] = [slowest(measured, "longest"), slowest(measured, "whole")]
  process.stdout.write(
    `${measured.length} hostile ${what}: longest piece ${piece.longest.toFixed(1)} ms (${piece.name}), ` +
      `longest document ${whole.whole.toFixed(0)} ms (${whole.name})\n`
  )
}

it("a hostile feed is read in pieces of a bounded time, and to its end or its refusal within five seconds", () => {
  const measured = [...feeds, ...jsonFeeds].map(({ bytes, contentType, name }): Measured => {
    let longest = 0
    const begun = used()
    const work = FeedDocument.parse(bytes, contentType, "https://feed.example/")
    for (let done = false; !done;) {
      const before = used()
      done = work.next().done === true
      longest = Math.max(longest, used() - before)
    }
    return { name, longest, whole: used() - begun }
  })
  told("feeds", measured)
  // 4 MiB of `<item>` took 135 s at once before; a piece is 8,192 characters
  expect(slowest(measured, "longest").longest).toBeLessThan(250)
  expect(slowest(measured, "whole").whole).toBeLessThan(5_000)
}, 300_000)

it("a hostile page's pictures are found in a bounded time", () => {
  const measured = pages.map(({ bytes, contentType, name }): Measured => {
    const begun = used()
    picturesIn(Charset.decode(bytes, contentType), "https://press.example/")
    const whole = used() - begun
    return { name, longest: whole, whole }
  })
  told("pages", measured)
  expect(slowest(measured, "longest").longest).toBeLessThan(500)
}, 120_000)

it.effect(
  "while the articles of a hostile feed are made everything else has its turn",
  () =>
    Effect.gen(function* () {
      const measured: Array<Measured> = []
      const documents = [...feeds, ...jsonFeeds].filter((_, n) => n % everyNth === 0)
      for (const { bytes, contentType, name } of documents) {
        let longest = 0
        let turn = used()
        const turned = Effect.sync(() => {
          const now = used()
          longest = Math.max(longest, now - turn)
          turn = now
        })
        const other = yield* Effect.forkChild(Effect.forever(Effect.andThen(turned, Effect.yieldNow)), {
          startImmediately: true
        })
        const begun = used()
        const url = "https://feed.example/"
        yield* read({ name, form: "feed", url, contentType, bytes, expected: { refused: true } })
        measured.push({ name, longest, whole: used() - begun })
        yield* Fiber.interrupt(other)
      }
      told("feeds, read to their articles", measured)
      expect(slowest(measured, "longest").longest).toBeLessThan(500)
    }),
  600_000
)

it.effect("long work lets others have their turn, ends where it takes too long, and where it is interrupted", () =>
  Effect.gen(function* () {
    let pieces = 0
    let turns = 0
    function* endless(): Slices.Work<never> {
      for (;;) {
        pieces++
        yield
      }
    }
    const other = yield* Effect.forkChild(
      Effect.forever(
        Effect.andThen(
          Effect.sync(() => void turns++),
          Effect.yieldNow
        )
      ),
      { startImmediately: true }
    )
    const error = yield* Effect.flip(Slices.run(endless, { mostMillis: 50 }))
    expect(error.message).toContain("50 ms")
    yield* Fiber.interrupt(other)
    expect(turns).toBeGreaterThan(3)
    const fiber = yield* Effect.forkChild(Slices.run(endless, { mostMillis: Infinity }), { startImmediately: true })
    yield* Effect.yieldNow
    yield* Fiber.interrupt(fiber)
    const before = pieces
    yield* Effect.yieldNow
    expect(pieces).toBe(before)
  })
)
