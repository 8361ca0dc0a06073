/** The meaning of a provider's HTTP status: who caused the failure, and whether the same request may be sent again. */
import { expect, it } from "@effect/vitest"
import { NameLookup } from "@eco2/core/net"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as HttpFailure from "../../../packages/actors/src/model/HttpFailure.ts"
import * as NameServer from "../../harness/NameServer.ts"
import { until } from "../../core/Until.ts"

const about = { provider: "openai", model: "gpt-5.2" }
const said = {
  ...about,
  codes: [],
  param: "",
  words: "no",
  retryAfterMillis: 7_000,
  requestId: "r1",
  key: "",
  userWords: []
}
const rows: ReadonlyArray<readonly [status: number, error: string, hasImage: boolean]> = [
  [400, "ModelRefused", false],
  [401, "ModelUnauthorized", false],
  [402, "ModelAccountExhausted", false],
  [403, "ModelUnauthorized", false],
  [404, "ModelUnsuitable", false],
  [405, "ModelUnsuitable", false],
  [408, "ModelTimeout", false],
  [409, "ModelUnavailable", false],
  [413, "ModelInputTooLong", false],
  [413, "ImageUnusable", true],
  [415, "ImageUnusable", true],
  [422, "ModelRefused", false],
  [425, "ModelUnavailable", false],
  [429, "ModelRateLimited", false],
  [500, "ModelUnavailable", false],
  [501, "ModelUnsuitable", false],
  [503, "ModelUnavailable", false],
  [304, "ModelUnavailable", false]
]

it.each(rows)("HTTP %i of a provider is %s, with a picture: %s", (status, error, hasImage) => {
  const failure = HttpFailure.fromSaid({ ...said, status, hasImage })
  expect([failure._tag, failure.requestId, failure.excerpt]).toEqual([error, "r1", "no"])
})

const spent: ReadonlyArray<readonly [words: string, codes: ReadonlyArray<string>, of: "model" | undefined]> = [
  ["You exceeded your current quota, please check your plan and billing details.", ["insufficient_quota"], undefined],
  ["Out of credits", [], undefined],
  ["Quota exceeded, limit: 20 GenerateRequestsPerDayPerProjectPerModel-FreeTier", ["RESOURCE_EXHAUSTED"], "model"],
  ["Rate limit reached for gpt-5.2 in organization o on requests per day (RPD): Limit 200", ["requests"], "model"],
  ["You exceeded your current quota. Model gpt-5.2 was asked.", ["insufficient_quota"], undefined]
]
it.each(spent)("a 429 that says %s %j is one of the account, or of the model alone: %s", (words, codes, of) => {
  const failure = HttpFailure.fromSaid({ ...said, retryAfterMillis: null, status: 429, hasImage: false, words, codes })
  expect([failure._tag, "of" in failure ? failure.of : undefined]).toEqual(["ModelAccountExhausted", of])
})

const coded = (code: string) => Object.assign(new Error(`connect ${code}`), { code })
/** As fetch throws it. */
const thrown = (cause: unknown) => new TypeError("fetch failed", { cause })
const failure = (cause: unknown, servers: ReadonlyArray<string> = [], url = "http://models.example/v1") =>
  Effect.map(
    HttpFailure.fromConnection(about, { url, lookup: NameLookup.make({ servers }) }, cause),
    ({ _tag }) => _tag
  )

const both = (...codes: ReadonlyArray<string>) => new AggregateError(codes.map(coded))
const connections: ReadonlyArray<readonly [what: string, cause: unknown, error: string]> = [
  ["a refused connection", coded("ECONNREFUSED"), "ModelUnavailable"],
  ["a host that does not answer its network", coded("EHOSTUNREACH"), "ModelUnavailable"],
  ["a dropped connection", coded("ECONNRESET"), "ModelUnavailable"],
  ["a connection that ended without a code", new Error("terminated"), "ModelUnavailable"],
  ["a name server that does not answer us", coded("EAI_AGAIN"), "ModelUnreachable"],
  ["a name that our name server does not know", coded("ENOTFOUND"), "ModelUnreachable"],
  ["a network of ours that is down", both("ENETUNREACH", "ENETUNREACH"), "ModelUnreachable"],
  ["no IPv6 here, and a refusal over IPv4", both("ENETUNREACH", "ECONNREFUSED"), "ModelUnavailable"],
  ["no open file left", coded("EMFILE"), "ModelUnreachable"],
  ["no port left", coded("EADDRNOTAVAIL"), "ModelUnreachable"],
  ["Deno's error for a name", new Error("client error (Connect): dns error: failed to lookup"), "ModelUnreachable"],
  ["Deno's error for a refusal", new Error("tcp connect error: Connection refused (os error 111)"), "ModelUnavailable"]
]
it.effect.each(connections)("%s is %s", ([, cause, error]) =>
  Effect.gen(function* () {
    expect(yield* failure(thrown(cause))).toBe(error)
  })
)

it.effect(
  "a connection time-out is ours when no name server knows the provider, as the time includes the look-up",
  () =>
    Effect.gen(function* () {
      const timeout = thrown(coded("CONNECT_TIMEOUT"))
      const known = yield* NameServer.start((_, kind) => (kind === "A" ? ["192.0.2.1"] : []))
      expect(yield* failure(timeout, [known.at])).toBe("ModelUnavailable")
      const dead = yield* NameServer.silent
      const fiber = yield* Effect.forkChild(failure(timeout, [dead.at]))
      yield* TestClock.withLive(
        until(
          Effect.sync(() => dead.asked.length),
          (many) => many > 0
        )
      )
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(fiber)).toBe("ModelUnreachable")
      // an address needs no look-up
      for (const url of ["http://192.0.2.1/v1", "http://[2001:db8::1]/v1"]) {
        expect(yield* failure(timeout, [dead.at], url)).toBe("ModelUnavailable")
      }
    })
)
