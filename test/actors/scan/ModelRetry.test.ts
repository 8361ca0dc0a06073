/** Retries of model calls, with jitter, so that calls that fail together are not retried together. */
import { describe, expect, it } from "@effect/vitest"
import { RedisError, Retry } from "@eco2/core"
import { Duration, Effect } from "effect"
import {
  ModelUnavailable,
  ModelUnreachable,
  PicturesBusy,
  PictureUnavailable
} from "../../../packages/actors/src/model/ModelError.ts"
import type { ModelError } from "../../../packages/actors/src/model/ModelError.ts"
import { modelRetry } from "../../../packages/actors/src/scan/ModelRetry.ts"

const call = { provider: "gemini", model: "gemini-2.5-flash", message: "no" }
const delays = (error: ModelError, attempt: number) =>
  Effect.map(
    Effect.forEach(Array.from({ length: 40 }), () => modelRetry.decide(error, attempt)),
    (decisions) =>
      decisions.map((decision) => (decision._tag === "again" ? Duration.toMillis(decision.delay) : Number.NaN))
  )
const expectSpread = (millis: ReadonlyArray<number>, around: number) => {
  expect(Math.min(...millis)).toBeGreaterThanOrEqual(around * 0.8)
  expect(Math.max(...millis)).toBeLessThanOrEqual(around * 1.2)
  expect(Math.max(...millis) - Math.min(...millis)).toBeGreaterThan(around * 0.1)
}

describe("modelRetry", () => {
  it.effect("a model outage is retried after about 1, 2, 4 and 8 s with a fifth of jitter, then parks", () =>
    Effect.gen(function* () {
      for (const [attempt, around] of [1_000, 2_000, 4_000, 8_000].entries()) {
        expectSpread(yield* delays(new ModelUnavailable(call), attempt + 1), around)
      }
      expect(yield* modelRetry.decide(new ModelUnavailable(call), 5)).toEqual({ _tag: "give-up", heals: true })
    })
  )
})

describe("a provider that cannot be reached from here", () => {
  it.effect("a call that could not leave our network is retried later without spending an attempt", () =>
    Effect.gen(function* () {
      const decision = yield* modelRetry.decide(new ModelUnreachable({ ...call, retryAfterMillis: 11_000 }), 9)
      expect(decision).toEqual({ _tag: "later", delay: Duration.millis(11_000) })
    })
  )
})

describe("a Redis that gives no permit or no image", () => {
  const redis = (code: string, reply: string) => new RedisError.RedisRefused({ command: "GET", code, reply })
  it.effect(
    "a call that was not made because Redis refused or did not answer is retried without spending an attempt",
    () =>
      Effect.gen(function* () {
        const later = { _tag: "later", delay: Duration.seconds(2) }
        for (const error of [
          new RedisError.RedisUnavailable({ command: "GET", cause: "away" }),
          redis("BUSY", "BUSY Redis is busy running a script."),
          redis("NOPERM", "NOPERM this user has no permissions to run the 'get' command")
        ])
          expect(yield* modelRetry.decide(error, 9)).toEqual(later)
        const final = redis("WRONGTYPE", "WRONGTYPE Operation against a key holding the wrong kind of value")
        expect(yield* modelRetry.decide(final, 9)).toEqual({ _tag: "give-up", heals: true })
      })
  )
})

describe("a picture that its host does not give", () => {
  it.effect("a picture that its host does not give is retried three times with jitter, then fails for good", () =>
    Effect.gen(function* () {
      for (const [attempt, around] of [2_000, 8_000, 32_000].entries()) {
        expectSpread(yield* delays(new PictureUnavailable(call), attempt + 1), around)
      }
      const ended = { _tag: "give-up", heals: false }
      expect(yield* modelRetry.decide(new PictureUnavailable(call), 4)).toEqual(ended)
      // whatever number of attempts an operator sets
      expect(yield* Retry.limited(modelRetry, 2).decide(new PictureUnavailable(call), 2)).toEqual(ended)
    })
  )

  it.effect("a picture that found no place for its fetch is retried without spending an attempt", () =>
    Effect.gen(function* () {
      const decision = yield* modelRetry.decide(new PicturesBusy({ ...call, retryAfterMillis: 5_500 }), 9)
      expect(decision).toEqual({ _tag: "later", delay: Duration.millis(5_500) })
    })
  )
})
