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

/** Finds a key by its id, for a token issued at that epoch second; returns the failure otherwise. */
const find = (found: PublishedKeys.PublishedKeys, kid: string | undefined, issuedAt?: number) =>
  Effect.tryPromise({
    try: async () =>
      found.verify({ kid, issuedAt }, async (get) =>
        get(kid === undefined ? { alg: "ES256" } : { alg: "ES256", kid }, { payload: "", signature: "" })
      ),
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
      // withdrawn
      expect(isNoMatch(yield* Effect.flip(find(get, "first", 0)))).toBe(true)
    })
  )

  it.effect(
    "unknown key ids have the issuer's keys fetched twice a minute at most, and are told when the next is due",
    () =>
      Effect.gen(function* () {
        const get = yield* PublishedKeys.make(keys.url)
        yield* find(get, "first")
        for (let second = 0; second < 60; second++) {
          const error = yield* Effect.flip(find(get, `invented ${second}`))
          const isDue = second === 30
          expect([second, isNoMatch(error), isUnavailable(error)]).toEqual([second, isDue, !isDue])
          if (error instanceof PublishedKeys.KeysUnavailable) {
            expect(error.retryAfterMillis).toBe((30 - (second % 30)) * 1_000)
          }
          yield* TestClock.adjust("1 second")
        }
        expect(keys.asked()).toBe(2)
      })
  )

  it.effect("a token with a key published within half a minute of the last fetch is put off, then accepted", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000_000)
      const get = yield* PublishedKeys.make(keys.url)
      yield* find(get, "first")
      keys.publish(first, second)
      yield* TestClock.adjust("10 seconds")
      expect(yield* Effect.flip(find(get, "second", 1_000_009))).toMatchObject({ retryAfterMillis: 20_000 })
      yield* TestClock.adjust("20 seconds")
      yield* find(get, "second", 1_000_009)
      expect(keys.asked()).toBe(2)
    })
  )

  it.effect(
    "a token of an unknown key that is older than the last fetch is refused at once: its key would be known",
    () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1_000_000_000)
        const get = yield* PublishedKeys.make(keys.url)
        yield* find(get, "first")
        expect(isNoMatch(yield* Effect.flip(find(get, "gone", 999_990)))).toBe(true)
        // the issuer's clock may be behind
        expect(isUnavailable(yield* Effect.flip(find(get, "gone", 999_997)))).toBe(true)
        expect(keys.asked()).toBe(1)
      })
  )

  it.effect("a token of an unknown key is put off while the issuer does not answer", () =>
    Effect.gen(function* () {
      const get = yield* PublishedKeys.make(keys.url)
      yield* find(get, "first")
      keys.answer(broken)
      yield* TestClock.adjust("31 seconds")
      expect(yield* Effect.flip(find(get, "second"))).toMatchObject({ retryAfterMillis: 2_000 })
      yield* find(get, "first")
    })
  )

  it.effect("a token that names no key has the keys fetched again when no known one fits", () =>
    Effect.gen(function* () {
      keys.publish({ ...first, jwk: { ...first.jwk, alg: "ES384" } })
      const get = yield* PublishedKeys.make(keys.url)
      expect(isNoMatch(yield* Effect.flip(find(get, undefined)))).toBe(true)
      keys.publish(second)
      expect(isUnavailable(yield* Effect.flip(find(get, undefined)))).toBe(true)
      yield* TestClock.adjust("31 seconds")
      yield* find(get, undefined)
    })
  )

  it.effect("a known key id with an algorithm that is not its own is refused, and has nothing fetched", () =>
    Effect.gen(function* () {
      keys.publish({ ...first, jwk: { ...first.jwk, alg: "ES384" } })
      const get = yield* PublishedKeys.make(keys.url)
      yield* Effect.flip(find(get, "first"))
      yield* TestClock.adjust("31 seconds")
      expect(isNoMatch(yield* Effect.flip(find(get, "first")))).toBe(true)
      expect(keys.asked()).toBe(1)
    })
  )

  it.live("the log shows the issuer's address without its query", () => {
    const logs = LogLines.make()
    return Effect.gen(function* () {
      keys.answer(broken)
      const get = yield* PublishedKeys.make(`${keys.url}?key=hunter2`)
      yield* Effect.flip(find(get, "first"))
      const lines = yield* logs.said("the issuer's keys cannot be fetched")
      expect(lines).toMatchObject([{ facts: { url: keys.url } }])
      expect(JSON.stringify(logs.lines)).not.toContain("hunter2")
    }).pipe(Effect.provide(logs.layer))
  })

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
