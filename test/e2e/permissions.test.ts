/** Every role under exactly the ACLs that docs/operations/redis.md has to copy: all of it works, and Redis refuses nothing. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { prepareDatabase } from "@eco2/actors/characters"
import { Migrations, Postgres } from "@eco2/core/postgres"
import { PostgresServer } from "@eco2/core/testing"
import { Duration, Effect } from "effect"
import { migrations as newsMigrations } from "@eco2/news/layers"
import { client, dataUrl, field, tinyPng } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import { read } from "../harness/Documents.ts"
import * as TokenIssuer from "../harness/TokenIssuer.ts"
import * as System from "./System.ts"

/** The documented users, with their rules. */
const users = [...read("docs/operations/redis.md").matchAll(/^ACL SETUSER (eco2\S*) reset on >PASSWORD (.+)$/gm)]
const secret = "only operators know this"

describe.skipIf(!PostgresServer.isInstalled())("the documented ACLs", () => {
  let system: System.System
  let database: PostgresServer.PostgresServer
  let urlOf: (user: string) => string
  beforeAll(async () => {
    database = await PostgresServer.start()
    const prepare = Effect.andThen(prepareDatabase, Migrations.apply(newsMigrations))
    await Effect.runPromise(
      Effect.provide(prepare, Postgres.layerUrl(database.url(), { pool: 1, timeout: Duration.seconds(10) }))
    )
    system = await System.start({ DATABASE_URL: database.url(), LEASE: "2 seconds", INTERNAL_SECRET: secret })
    expect(users.map(([, name]) => name)).toEqual(["eco2", "eco2-authz", "eco2-news-api"])
    for (const [, name = "", rules = ""] of users) {
      await system.outside.call("ACL", "SETUSER", name, "reset", "on", ">PASSWORD", ...rules.split(" "))
    }
    urlOf = (user) => system.redis.url.replace("redis://", `redis://${user}:PASSWORD@`)
  })
  afterAll(async () => {
    await system.stop()
    await database.stop()
  })

  it("the fleet under exactly the documented ACLs scans, cancels, takes over, revokes and is operated, and is refused nothing", async () => {
    const start = (role: Parameters<typeof system.start>[0], env: Readonly<Record<string, string>> = {}) =>
      system.start(role, { REDIS_URL: urlOf("eco2"), ...env })
    const [gateway, first, , , , newsApi] = await Promise.all([
      start("gateway"),
      start("scan-worker"),
      start("character-match"),
      start("character-worker"),
      start("news-worker"),
      start("news-api", { REDIS_URL: urlOf("eco2-news-api") }),
      start("authz", { ...TokenIssuer.bySecret, REDIS_URL: urlOf("eco2-authz") })
    ])
    const { models, outside } = system
    const ann = client(gateway, "ann")

    models.next("answer", { _tag: "Hang" }, 2)
    const hung = [await ann.accepted({ image_url: dataUrl(tinyPng) }), await ann.accepted()]
    await models.waitForCall(4)
    expect((await ann.remove(`/api/v1/scan/${hung[0]}`)).status).toBe(202)
    await first.kill9()
    await start("scan-worker")
    expect(field((await ann.finished(hung[1]!)).body, "status")).toBe("completed")
    models.next("vision", { _tag: "RateLimit", retryAfterSeconds: 1 })
    expect(field((await ann.finished(await ann.accepted())).body, "status")).toBe("completed")

    const operators = (path: string, init: RequestInit = {}) =>
      fetch(`${gateway.address}/api/v1/internal/${path}`, { ...init, headers: { "x-internal-secret": secret } })
    for (const path of [
      "mailboxes",
      "processes",
      "jobs?state=ended",
      "jobs?state=open",
      "schedules",
      "policies",
      "limits"
    ])
      expect([path, (await operators(`ops/${path}`)).status]).toEqual([path, 200])
    const revoked = await fetch(`${gateway.address}/api/v1/internal/blacklist`, {
      method: "POST",
      headers: { "x-internal-secret": secret, "content-type": "application/json" },
      body: JSON.stringify({
        jti: "token",
        user_id: "ann",
        expires_at: new Date(Date.now() + 60_000).toISOString(),
        reason: "test"
      })
    })
    expect(revoked.status).toBe(204)
    expect((await fetch(`${newsApi.address}/api/v1/info/news`)).status).toBe(200)
    // what was owned is saved by another process
    await until(
      () => ann.get("/api/v1/users/me/characters"),
      ({ status }) => status === 200
    )
    expect(await outside.call("ACL", "LOG")).toEqual([])
  })
})
