/** What clients read about characters over HTTP: from Postgres, or 503 if there is none. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { prepareDatabase } from "@eco2/actors/characters"
import { Postgres } from "@eco2/core/postgres"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { Duration, Effect } from "effect"
import * as HandWorker from "../HandWorker.ts"
import { client, field } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const env = () => ({ ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: inject("redisUrl") })
const limits = { pool: 1, timeout: Duration.seconds(10) }
const ownership = (name: string) => `/api/v1/users/me/characters/${encodeURIComponent(name)}/ownership`
const unavailable = { detail: expect.any(String), code: "UNAVAILABLE" }

describe.skipIf(!PostgresServer.isInstalled())("characters", () => {
  let server: PostgresServer.PostgresServer
  let gateway: Serving
  beforeAll(async () => {
    server = await PostgresServer.start()
    await Effect.runPromise(Effect.provide(prepareDatabase, Postgres.layerUrl(server.url(), limits)))
    gateway = await start("gateway", { ...env(), DATABASE_URL: server.url() })
  })
  afterAll(async () => {
    await gateway.stop()
    await server.stop()
  })

  it("the character catalogue is open to everybody", async () => {
    const { body, status } = await client(gateway, null).get("/api/v1/character/catalog")
    expect(status).toBe(200)
    expect(body).toHaveLength(13)
    expect(body).toContainEqual({ name: "페티", type: "페트병", match: "무색페트병", dialog: expect.any(String) })
  })

  it("the character catalogue is in the language of the query, else of Accept-Language, and says that it depends on it", async () => {
    const nobody = client(gateway, null)
    const typeOf = async (query: string, language: string) => {
      const { body, headers } = await nobody.get(`/api/v1/character/catalog${query}`, { "accept-language": language })
      expect(headers.get("vary")).toContain("Accept-Language")
      return Array.isArray(body)
        ? field(
            body.find((one) => field(one, "name") === "페티"),
            "type"
          )
        : undefined
    }
    expect(await typeOf("", "en-GB, ko;q=0.5")).toBe("PET bottle")
    expect(await typeOf("", "fr")).toBe("페트병")
    expect(await typeOf("?language=en", "ko")).toBe("PET bottle")
    expect(await typeOf("?language=ko", "en")).toBe("페트병")
  })

  it("a user without a character is given 이코, and then owns it", async () => {
    const ann = client(gateway, "ann")
    expect((await ann.get(ownership("이코"))).body).toEqual({ character_name: "이코", owned: false })
    const { body, headers, status } = await ann.get("/api/v1/users/me/characters")
    expect(status).toBe(200)
    expect(headers.get("cache-control")).toBe("no-store")
    expect(body).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        code: "char-eco",
        name: "이코",
        type: "환경",
        dialog: expect.any(String),
        acquired_at: expect.stringMatching(/Z$/)
      }
    ])
    expect((await ann.get("/api/v1/users/me/characters")).body).toEqual(body)
    expect((await ann.get(ownership("이코"))).body).toEqual({ character_name: "이코", owned: true })
    expect((await client(gateway, "bob").get(ownership("이코"))).body).toEqual({ character_name: "이코", owned: false })
  })

  it("a user whose scan has just earned a character is not given 이코 while it is being saved", async () => {
    const redis = await RedisServer.start()
    const [other, hand] = await Promise.all([
      start("gateway", { ...env(), REDIS_URL: redis.url, DATABASE_URL: server.url() }),
      HandWorker.start(redis.url)
    ])
    try {
      const carol = client(other, "carol")
      const id = await carol.accepted()
      await hand.work(id)
      // no process saves it here
      expect((await carol.get("/api/v1/users/me/characters")).body).toEqual([])
      expect((await carol.get(ownership("이코"))).body).toEqual({ character_name: "이코", owned: false })
    } finally {
      await Promise.all([other.stop(), hand.stop()])
      await redis.stop()
    }
  })

  it("a user with an open scan is given 이코 only once nothing that the scan may still find earns a character", async () => {
    const redis = await RedisServer.start()
    const [other, hand] = await Promise.all([
      start("gateway", { ...env(), REDIS_URL: redis.url, DATABASE_URL: server.url() }),
      HandWorker.start(redis.url)
    ])
    const food = {
      result: {
        classification: { major_category: "음식물류폐기물", middle_category: "", minor_category: null },
        situation_tags: [],
        meta: { user_input: "?" }
      },
      use: { provider: "simulated", model: "simulated", simulated: true }
    }
    try {
      const of = async (user: string) => (await client(other, user).get("/api/v1/users/me/characters")).body
      const id = await client(other, "dora").accepted()
      expect(await of("dora")).toEqual([])
      // paper, which may earn one; then no rule, so none
      await hand.work(id, 1)
      expect(await of("dora")).toEqual([])
      await hand.work(id, 1)
      expect(await of("dora")).toMatchObject([{ code: "char-eco" }])
      const meal = await client(other, "emil").accepted()
      await hand.commit(await hand.begin(meal), food)
      expect(await of("emil")).toMatchObject([{ code: "char-eco" }])
      const dropped = await client(other, "fay").accepted()
      expect(await of("fay")).toEqual([])
      await client(other, "fay").remove(`/api/v1/scan/${dropped}`)
      expect(await of("fay")).toMatchObject([{ code: "char-eco" }])
    } finally {
      await Promise.all([other.stop(), hand.stop()])
      await redis.stop()
    }
  })

  it("the user's characters are refused with 401 without a caller", async () => {
    const nobody = client(gateway, null)
    expect((await nobody.get("/api/v1/users/me/characters")).status).toBe(401)
    // Postgres cannot store such a text
    expect(await client(gateway, "ann").get(ownership("이\0코"))).toMatchObject({ status: 200, body: { owned: false } })
    expect((await nobody.get(ownership("이코"))).status).toBe(401)
  })

  it("a database that is away is answered with 503 and Retry-After, and works again once it is back", async () => {
    const ann = client(gateway, "ann")
    await server.kill()
    const { body, headers, status } = await ann.get("/api/v1/users/me/characters")
    expect({ body, status }).toEqual({ body: unavailable, status: 503 })
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0)
    // the gateway itself works: scans continue
    expect((await ann.get("/readyz")).status).toBe(200)
    await server.restart()
    expect((await ann.get("/api/v1/users/me/characters")).status).toBe(200)
    const said = gateway.logs.map(({ msg }) => msg)
    expect(said.filter((msg) => msg === "characters cannot be read")).toHaveLength(1)
    expect(said.filter((msg) => msg === "characters are read again")).toHaveLength(1)
  })
})

describe("a gateway without DATABASE_URL", () => {
  it("a gateway without DATABASE_URL accepts scans, and answers 503 for characters", async () => {
    const gateway = await start("gateway", env())
    const ann = client(gateway, "ann")
    for (const path of ["/api/v1/character/catalog", "/api/v1/users/me/characters", ownership("이코")]) {
      const { body, status } = await ann.get(path)
      expect({ body, status }).toEqual({ body: unavailable, status: 503 })
    }
    expect(field((await ann.submit({ image_url: "https://images.example.com/a.jpg" })).body, "status")).toBe("queued")
    await gateway.stop()
  })

  it("a gateway with a wrong DATABASE_URL refuses to start", async () => {
    await expect(start("gateway", { ...env(), DATABASE_URL: "redis://127.0.0.1" })).rejects.toThrow()
  })
})
