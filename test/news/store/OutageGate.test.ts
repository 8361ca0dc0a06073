/** Readers skip a store that is down, and one of them probes whether it is back. */
import { expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import * as OutageGate from "../../../packages/news/src/store/OutageGate.ts"

it.effect("a store that failed is passed by for a second, then one reader alone tries whether it is back", () =>
  Effect.gen(function* () {
    let now = 0
    let asked = 0
    const gate = OutageGate.make(() => now)
    const read = <E>(answer: Effect.Effect<string, E>) =>
      gate.pass(
        Effect.andThen(
          Effect.sync(() => void asked++),
          answer
        ),
        () => true
      )
    expect(yield* read(Effect.fail("away"))).toBe(null)
    now = 999
    expect([yield* read(Effect.succeed("page")), asked]).toEqual([null, 1])
    now = 1_000
    const answer = yield* Deferred.make<string>()
    const probe = yield* Effect.forkChild(read(Deferred.await(answer)), { startImmediately: true })
    expect([yield* read(Effect.succeed("page")), asked]).toEqual([null, 2])
    yield* Deferred.succeed(answer, "page")
    expect(yield* Fiber.join(probe)).toBe("page")
    expect([yield* read(Effect.succeed("page")), asked]).toEqual(["page", 3])
  })
)

it.effect("what the store answers is an answer: a failure that does not mean it is away closes nothing", () =>
  Effect.gen(function* () {
    const gate = OutageGate.make(() => 0)
    const isAway = (error: string) => error === "away"
    expect(yield* Effect.flip(gate.pass(Effect.fail("wrong"), isAway))).toBe("wrong")
    expect(yield* gate.pass(Effect.succeed("page"), isAway)).toBe("page")
  })
)
