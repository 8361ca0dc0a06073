/** The issuer's published keys: cached, fetched again when they change, and never as often as a stranger could cause. */
import { afterEach, beforeEach, describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Predicate } from "effect"
import { TestClock } from "effect/testing"
import * as PublishedKeys from "../../../packages/gateway/src/auth/PublishedKeys.ts"
import * as LogLines from "../../core/redis/LogLines.ts"
import * as Issuer from "../../harness/TokenIssuer.ts"

const [first, second] = [Issuer.key("first"), Issuer.key("second")]
let keys: Issuer.Published
beforeEach(async () => {
  keys = await Issuer.published(first)
})
afterEach(() => keys.close())

/** Finds a key by its id; returns the failure otherwise. */
const find = (get: Effect.Success<ReturnType<typeof PublishedKeys.make>>, kid: string, alg = "ES256") =>
  Effect.tryPromise({
    try: async () => get({ alg, kid }, { payload: "", signature: "" }),
    catch: (error) => error
  })
const isNoMatch = (error: unknown) => Predicate.hasProperty(error, "code") && error.code === "ERR_JWKS_NO_MATCHING_KEY"
const isUnavailable = (error: unknown) => error instanceof PublishedKeys.KeysUnavailable
const broken: Parameters<Issuer.Published["answer"]>[0] = (_, response) => response.writeHead(503).end()

describe("PublishedKeys", () => {
  it.effect("the issuer's keys are fetched at the first use, once for all who ask at the same time", () =>
    Effect.gen(function* () {
      const get = yield* PublishedKeys.make(keys.url)
      expect(keys.asked()).toBe(0)
      yield* Effect.all(
        Array.from({ length: 20 }, () => find(get, "first")),
        { concurrency: "unbounded" }
      )
      expect(keys.asked()).toBe(1)
    })
  )

  it.effect("the issuer's keys are fetched again for an unknown key id, so that a new key is accepted at once", () =>
    Effect.gen(function* () {
      const get = yield* PublishedKeys.make(keys.url)
      yield* find(get, "first")
      keys.publish(second)
      yield* TestClock.adjust("31 seconds")
      yield* find(get, "second")
      expect(keys.asked()).toBe(2)
      expect(isNoMatch(yield* Effect.flip(find(get, "first")))).toBe(true)
    })
  )

  it.effect("unknown key ids have the issuer's keys fetched twice a minute at most", () =>
    Effect.gen(function* () {
      const get = yield* PublishedKeys.make(keys.url)
      yield* find(get, "first")
      for (let i = 0; i < 60; i++) {
        expect(isNoMatch(yield* Effect.flip(find(get, `invented ${i}`)))).toBe(true)
        yield* TestClock.adjust("1 second")
      }
      expect(keys.asked()).toBe(2)
    })
  )

  it.effect("the issuer's keys are fetched again after ten minutes, and the old ones serve meanwhile", () =>
    Effect.gen(function* () {
      const get = yield* PublishedKeys.make(keys.url)
      yield* find(get, "first")
      yield* TestClock.adjust("11 minutes")
      const asked = Deferred.makeUnsafe<() => void>()
      keys.answer((_, response) => {
        Deferred.doneUnsafe(
          asked,
          Effect.succeed(() => response.writeHead(200).end(JSON.stringify({ keys: [second.jwk] })))
        )
      })
      yield* find(get, "first")
      const answer = yield* Deferred.await(asked)
      yield* find(get, "first")
      const waiting = yield* Effect.forkChild(find(get, "second"))
      answer()
      yield* Fiber.join(waiting)
    })
  )

  it.effect("the issuer's keys serve for a day while it does not answer, then no more; each is logged once", () => {
    const logs = LogLines.make()
    return Effect.gen(function* () {
      const get = yield* PublishedKeys.make(keys.url)
      yield* find(get, "first")
      keys.answer(broken)
      for (let hour = 1; hour < 24; hour++) {
        yield* TestClock.adjust("1 hour")
        yield* find(get, "first")
      }
      yield* TestClock.adjust(Duration.hours(2))
      expect(isUnavailable(yield* Effect.flip(find(get, "first")))).toBe(true)
      expect(logs.of("the issuer's keys cannot be fetched").length).toBe(1)
      keys.publish(first)
      yield* TestClock.adjust("3 seconds")
      yield* find(get, "first")
      expect(logs.of("the issuer's keys are available again").length).toBe(1)
    }).pipe(Effect.provide(logs.layer))
  })

  it.effect("without any keys yet every check is unavailable, and the issuer is asked every two seconds at most", () =>
    Effect.gen(function* () {
      keys.answer(broken)
      const get = yield* PublishedKeys.make(keys.url)
      for (let i = 0; i < 5; i++) expect(isUnavailable(yield* Effect.flip(find(get, "first")))).toBe(true)
      expect(keys.asked()).toBe(1)
      keys.publish(first)
      yield* TestClock.adjust("2 seconds")
      yield* find(get, "first")
    })
  )

  const bad: ReadonlyArray<readonly [what: string, listener: typeof broken]> = [
    ["an answer that is not 200", broken],
    ["a redirect", (_, response) => response.writeHead(302, { location: keys.url }).end()],
    ["no JSON", (_, response) => response.end("<html>")],
    ["no set of keys", (_, response) => response.end(JSON.stringify({ keys: "none" }))],
    [
      "more keys than are allowed",
      (_, response) => response.end(JSON.stringify({ keys: Array.from({ length: 101 }, () => first.jwk) }))
    ],
    [
      "more bytes than are allowed",
      (_, response) => response.end(JSON.stringify({ keys: [{ ...first.jwk, note: "x".repeat(300_000) }] }))
    ]
  ]
  it.effect.each(bad)("the issuer's keys are not taken from %s", ([, listener]) =>
    Effect.gen(function* () {
      keys.answer(listener)
      const get = yield* PublishedKeys.make(keys.url)
      expect(isUnavailable(yield* Effect.flip(find(get, "first")))).toBe(true)
      expect(keys.asked()).toBe(1)
    })
  )

  it.live("an issuer that does not answer is waited for five seconds", () =>
    Effect.gen(function* () {
      keys.answer(() => undefined)
      const get = yield* PublishedKeys.make(keys.url)
      expect(isUnavailable(yield* Effect.flip(find(get, "first")))).toBe(true)
    })
  )
})
