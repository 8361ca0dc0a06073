/** Revoking a token: durable, known to every process, and for no longer than the token could be used. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { FaultProxy, RedisServer } from "@eco2/core/testing"
import * as RedisCluster from "../../core/RedisCluster.ts"
import * as EventStream from "../../harness/EventStream.ts"
import { send } from "../../harness/RawRequest.ts"
import { bySecret, inSeconds, signed } from "../../harness/TokenIssuer.ts"
import { metric, simulatedOnly, start, until } from "../Serving.ts"
import type { Serving } from "../Serving.ts"
import * as BlacklistKeys from "../../../packages/gateway/src/auth/BlacklistKeys.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const path = "/api/v1/scan/9b2f0f7e-5b7f-4c63-9c52-000000000000/result"
const secret = "only services know this"
const usual = { ...simulatedOnly, ...bySecret, INTERNAL_SECRET: secret }

let redis: RedisServer.RedisServer
let outside: Redis
const started: Array<Serving> = []
beforeAll(async () => {
  redis = await RedisServer.start()
  outside = new Redis(redis.url)
})
afterEach(async () => {
  await Promise.all(started.splice(0).map((role) => role.stop()))
  await outside.config("SET", "maxmemory", "0")
  await outside.flushall()
})
afterAll(async () => {
  outside.disconnect()
  await redis.stop()
})

const role = async (name: "gateway" | "authz", env: Readonly<Record<string, string>> = {}) => {
  const one = await start(name, { ...usual, REDIS_URL: redis.url, ...env })
  started.push(one)
  return one
}
const statusOf = async (serving: Serving, jti: string, claims: Readonly<Record<string, unknown>> = {}) =>
  (await send(serving.address, path, { headers: { authorization: `Bearer ${signed({ jti, ...claims })}` } })).status
const becomes = (serving: Serving, jti: string, status: number, claims: Readonly<Record<string, unknown>> = {}) =>
  until(
    () => statusOf(serving, jti, claims),
    (seen) => seen === status
  )
const post = (
  serving: Serving,
  body: unknown,
  headers: Readonly<Record<string, string>> = { "x-internal-secret": secret }
) =>
  send(serving.address, "/api/v1/internal/blacklist", {
    method: "POST",
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body)
  })
const revocation = (jti: string, seconds = 600) => ({
  jti,
  user_id: "ann",
  expires_at: new Date(inSeconds(seconds) * 1_000).toISOString(),
  reason: "logout"
})
const revoke = async (serving: Serving, jti: string, seconds?: number) => {
  expect((await post(serving, revocation(jti, seconds))).status).toBe(204)
}

describe("POST /api/v1/internal/blacklist", () => {
  it("a revocation without the right secret is refused, and every one where no secret is set", async () => {
    const gateway = await role("gateway")
    const without = await role("gateway", { INTERNAL_SECRET: "" })
    for (const [serving, headers] of [
      [gateway, {}],
      [gateway, { "x-internal-secret": "wrong" }],
      [without, {}],
      [without, { "x-internal-secret": "" }]
    ] as const) {
      const answer = await post(serving, revocation("a"), headers)
      expect([answer.status, JSON.parse(answer.body).code]).toEqual([403, "FORBIDDEN"])
    }
    expect(await outside.keys("*blacklist*")).toEqual([])
  })

  const wrong: ReadonlyArray<readonly [status: number, body: unknown]> = [
    [400, "{"],
    [400, "[]"],
    [422, {}],
    [422, { ...revocation("a"), jti: "" }],
    [422, { ...revocation("a"), jti: "x".repeat(256) }],
    [422, { ...revocation("a"), jti: "line\nbreak" }],
    [422, { ...revocation("a"), user_id: 7 }],
    [422, { ...revocation("a"), expires_at: "tomorrow" }],
    [422, { ...revocation("a"), expires_at: "2026-13-01T00:00:00Z" }],
    [422, { ...revocation("a"), expires_at: 1_800_000_000 }],
    [422, { ...revocation("a"), reason: "x".repeat(1_001) }]
  ]
  it("a revocation with a wrong body is refused and stores nothing", async () => {
    const gateway = await role("gateway")
    for (const [status, body] of wrong) expect([body, (await post(gateway, body)).status]).toEqual([body, status])
    expect(await outside.keys("*blacklist*")).toEqual([])
  })

  it("a revocation ends the streams opened with its token, and no others", async () => {
    const gateway = await role("gateway", { AUTH_MODE: "jwt" })
    const as = (jti: string) => ({ headers: { authorization: `Bearer ${signed({ jti })}` } })
    const submitted = await send(gateway.address, "/api/v1/scan", {
      method: "POST",
      ...as("leaves"),
      body: JSON.stringify({ image_url: "https://images.example.com/bottle.jpg" })
    })
    const url = `${gateway.address}${(JSON.parse(submitted.body) as { readonly stream_url: string }).stream_url}`
    const leaving = await EventStream.open(url, as("leaves"))
    const staying = await EventStream.open(url, as("stays"))
    await Promise.all([leaving, staying].map((stream) => stream.waitFor(({ event }) => event === "queued")))
    await revoke(gateway, "leaves")
    expect(await leaving.ended).toBe("ended")
    expect((await fetch(url, as("leaves"))).status).toBe(403)
    // the stream is still open: the cancel arrives through it
    await send(gateway.address, url.slice(gateway.address.length).replace("/events", ""), {
      method: "DELETE",
      ...as("stays")
    })
    await staying.waitFor(({ event }) => event === "cancelled")
    await staying.close()
  })

  it("a revocation of an expired token stores nothing", async () => {
    const gateway = await role("gateway")
    await revoke(gateway, "old", -3_600)
    expect(await outside.keys("*blacklist*")).toEqual([])
  })

  it("a revocation's key lasts as long as its token can be used, leeway included, and no longer", async () => {
    const gateway = await role("gateway")
    await revoke(gateway, "a", 600)
    const left = await outside.ttl(BlacklistKeys.revoked(keyNames, "a"))
    expect(left).toBeGreaterThan(604)
    expect(left).toBeLessThanOrEqual(611)
  })

  it("a revocation's expires_at may have an offset, fractions of a second, or no zone", async () => {
    const gateway = await role("gateway")
    for (const [i, expires_at] of [
      "2126-01-31T12:00:00Z",
      "2126-01-31T12:00:00.123456+09:00",
      "2126-01-31T12:00:00",
      "2126-01-31T12:00"
    ].entries()) {
      expect((await post(gateway, { ...revocation(`t${i}`), expires_at, reason: null })).status).toBe(204)
      expect(await outside.exists(BlacklistKeys.revoked(keyNames, `t${i}`))).toBe(1)
    }
  })

  it("a revocation is stored while Redis is full", async () => {
    const gateway = await role("gateway")
    await outside.config("SET", "maxmemory", "1")
    await revoke(gateway, "a")
    await becomes(gateway, "a", 403)
  })

  it("a revocation is answered with 503 while Redis is away, and succeeds when sent again", async () => {
    const proxy = await FaultProxy.start(redis.port)
    const gateway = await role("gateway", { REDIS_URL: proxy.url })
    proxy.refuse()
    const answer = await post(gateway, revocation("a"))
    expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "2"])
    proxy.heal()
    await until(
      async () => (await post(gateway, revocation("a"))).status,
      (status) => status === 204
    )
    await becomes(gateway, "a", 403)
    await started.splice(0)[0]!.stop()
    await proxy.close()
  })
})

describe("a revoked token", () => {
  it("a revoked token is refused by every process, also by one that starts later", async () => {
    const [gateway, authz] = [await role("gateway"), await role("authz")]
    expect(await statusOf(gateway, "a")).toBe(404)
    expect(await statusOf(authz, "a")).toBe(200)
    await revoke(gateway, "a")
    await Promise.all([becomes(gateway, "a", 403), becomes(authz, "a", 403)])
    expect(await statusOf(await role("authz"), "a")).toBe(403)
    expect(await statusOf(authz, "b")).toBe(200)
  })

  it("a revoked token is refused during the leeway after its end too", async () => {
    const gateway = await role("gateway")
    await revoke(gateway, "a", -4)
    await becomes(gateway, "a", 403, { exp: inSeconds(-2) })
    expect(await statusOf(await role("authz"), "a", { exp: inSeconds(-2) })).toBe(403)
  })

  it("a token whose revocation was removed is accepted again", async () => {
    const [gateway, authz] = [await role("gateway"), await role("authz")]
    await revoke(gateway, "a")
    await becomes(authz, "a", 403)
    const event = { type: "remove", ...revocation("a") }
    await outside.del(BlacklistKeys.revoked(keyNames, "a"))
    const log = keyNames.topic("blacklist.events").log
    // as another service would publish it: with the next number
    await outside.xadd(log, "*", "n", "2", "e", JSON.stringify(event))
    await becomes(authz, "a", 200)
    expect(await statusOf(await role("authz"), "a")).toBe(200)
  })

  it("a token whose revocation key has an unreadable value is refused", async () => {
    await outside.set(BlacklistKeys.revoked(keyNames, "odd"), "", "EX", 60)
    expect(await statusOf(await role("authz"), "odd")).toBe(403)
  })

  it("a process knows all of 100,000 revocations before it first answers", { timeout: 60_000 }, async () => {
    const until_ = inSeconds(3_600)
    for (let page = 0; page < 100; page++) {
      const pipeline = outside.pipeline()
      for (let i = 0; i < 1_000; i++)
        pipeline.set(
          BlacklistKeys.revoked(keyNames, `00000000-0000-4000-8000-0000000${page * 1_000 + i}`),
          `${until_} {}`,
          "EX",
          3_600
        )
      await pipeline.exec()
    }
    const authz = await role("authz")
    expect(await metric(authz, "eco2_authz_blacklist_tokens")).toBe(100_000)
    for (const i of [0, 50_000, 99_999]) expect(await statusOf(authz, `00000000-0000-4000-8000-0000000${i}`)).toBe(403)
    expect(await statusOf(authz, "another")).toBe(200)
  })
})

describe("revocation on a Cluster", () => {
  it("a revoked token is refused by followers, and by roles that load all masters' keys", { timeout: 60_000 }, () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const { url } = yield* RedisCluster.start()
          yield* Effect.promise(async () => {
            const gateway = await role("gateway", { REDIS_URL: url })
            const jtis = Array.from({ length: 30 }, (_, i) => `token ${i}`)
            for (const jti of jtis) await revoke(gateway, jti)
            for (const jti of jtis) await becomes(gateway, jti, 403)
            const authz = await role("authz", { REDIS_URL: url })
            expect(await metric(authz, "eco2_authz_blacklist_tokens")).toBe(30)
            for (const jti of jtis) expect(await statusOf(authz, jti)).toBe(403)
            await Promise.all(started.splice(0).map((one) => one.stop()))
          })
        })
      )
    )
  )
})

describe("authz cut off from Redis", () => {
  const cut = async (env: Readonly<Record<string, string>> = {}) => {
    const proxy = await FaultProxy.start(redis.port)
    const authz = await role("authz", { REDIS_URL: proxy.url, ...env })
    await until(
      async () => proxy.connections(),
      (count) => count === 2
    )
    return { proxy, authz }
  }

  it("authz cut off from Redis serves its last list, logs that once, and knows the missed revocations when it is back", async () => {
    const gateway = await role("gateway")
    const { authz, proxy } = await cut()
    await revoke(gateway, "before")
    await becomes(authz, "before", 403)
    proxy.refuse()
    await until(
      () => metric(authz, "eco2_authz_blind"),
      (blind) => blind === 1
    )
    for (let i = 0; i < 50; i++) await revoke(gateway, `meanwhile ${i}`)
    expect(await statusOf(authz, "meanwhile 49")).toBe(200)
    expect(await statusOf(authz, "before")).toBe(403)
    expect((await send(authz.address, "/readyz")).status).toBe(200)
    const blind = "revocations do not arrive; using the last known list"
    await until(
      async () => authz.logs.filter(({ msg }) => msg === blind).length,
      (count) => count === 1
    )
    proxy.heal()
    await becomes(authz, "meanwhile 49", 403)
    for (let i = 0; i < 49; i++) expect(await statusOf(authz, `meanwhile ${i}`)).toBe(403)
    expect(await metric(authz, "eco2_authz_blind")).toBe(0)
    await until(
      async () => authz.logs.filter(({ msg }) => msg === "revocations arrive again; missed ones are loaded").length,
      (count) => count === 1
    )
    expect(authz.logs.filter(({ msg }) => msg === blind)).toHaveLength(1)
    await started.pop()!.stop()
    await proxy.close()
  })

  it("authz with a list older than BLACKLIST_MAX_AGE answers 503 and is unready, until it is back", async () => {
    const { authz, proxy } = await cut({ BLACKLIST_MAX_AGE: "1 second" })
    expect(await statusOf(authz, "a")).toBe(200)
    proxy.refuse()
    await becomes(authz, "a", 503)
    const answer = await send(authz.address, path, { headers: { authorization: `Bearer ${signed()}` } })
    expect([JSON.parse(answer.body).code, answer.headers["retry-after"]]).toEqual(["UNAVAILABLE", "2"])
    expect((await send(authz.address, "/readyz")).body).toContain("the list of revocations is too old")
    expect((await send(authz.address, "/api/v1/info/news")).status).toBe(200)
    proxy.heal()
    await becomes(authz, "a", 200)
    expect((await send(authz.address, "/readyz")).status).toBe(200)
    await started.pop()!.stop()
    await proxy.close()
  })

  it("authz loads the revocation keys again when the topic's log was trimmed past its place", async () => {
    const gateway = await role("gateway")
    const { authz, proxy } = await cut()
    await revoke(gateway, "before")
    await becomes(authz, "before", 403)
    proxy.refuse()
    for (let i = 0; i < 10; i++) await revoke(gateway, `meanwhile ${i}`)
    await outside.xtrim(keyNames.topic("blacklist.events").log, "MAXLEN", 1)
    proxy.heal()
    for (let i = 0; i < 10; i++) await becomes(authz, `meanwhile ${i}`, 403)
    expect(await statusOf(authz, "before")).toBe(403)
    await started.pop()!.stop()
    await proxy.close()
  })
})
