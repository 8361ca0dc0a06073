/** Erasing one's data over HTTP: nothing of the user is found afterwards, in either store, and the answer says what is left. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { prepareDatabase } from "@eco2/actors/characters"
import { Postgres, PostgresStatement } from "@eco2/core/postgres"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { Duration, Effect, Schema } from "effect"
import { Redis } from "ioredis"
import { randomUUID } from "node:crypto"
import * as CharacterId from "../../../packages/actors/src/domain/CharacterId.ts"
import * as RewardStore from "../../../packages/actors/src/character/RewardStore.ts"
import * as HistoryStore from "../../../packages/actors/src/history/HistoryStore.ts"
import * as HandWorker from "../HandWorker.ts"
import { client, dataUrl, field, tinyPng } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const path = "/api/v1/users/me/data"
const scansOf = (body: unknown) => {
  const list = field(body, "scans")
  return Array.isArray(list) ? list : []
}

describe.skipIf(!PostgresServer.isInstalled())("DELETE /api/v1/users/me/data", () => {
  let redis: RedisServer.RedisServer
  let outside: Redis
  let database: PostgresServer.PostgresServer
  let gateway: Serving
  let hand: HandWorker.HandWorker
  const env = () => ({ ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: redis.url, DATABASE_URL: database.url() })
  const onDatabase = <A, E>(effect: Effect.Effect<A, E, Postgres.Postgres>) =>
    Effect.runPromise(
      Effect.provide(effect, Postgres.layerUrl(database.url(), { pool: 1, timeout: Duration.seconds(10) }))
    )
  /** Every table's rows that name the user, but the note of the erasure itself. */
  const rowsOf = (user: string) =>
    onDatabase(
      Effect.gen(function* () {
        const postgres = yield* Postgres.Postgres
        const tables = yield* postgres.run(
          PostgresStatement.make({
            name: "test.tables",
            text: `SELECT table_schema || '.' || table_name AS name FROM information_schema.columns
              WHERE column_name = 'user_id' AND table_name <> 'erasures' ORDER BY 1`,
            row: Schema.Struct({ name: Schema.String })
          })
        )
        const rows: Array<string> = []
        for (const { name } of tables) {
          const found = yield* postgres.run(
            PostgresStatement.make({
              name: "test.rows",
              text: `SELECT user_id FROM ${name} WHERE user_id = $1`,
              row: Schema.Struct({ user_id: Schema.String })
            }),
            [user]
          )
          if (found.length > 0) rows.push(name)
        }
        return rows
      })
    )

  beforeAll(async () => {
    ;[redis, database] = await Promise.all([RedisServer.start(), PostgresServer.start()])
    outside = new Redis(redis.url)
    await onDatabase(prepareDatabase)
    gateway = await start("gateway", env())
    hand = await HandWorker.start(redis.url)
  })
  afterAll(async () => {
    await Promise.all([gateway.stop(), hand.stop()])
    outside.disconnect()
    await Promise.all([redis.stop(), database.stop()])
  })

  /** A done scan with a photo, a running one, a failed one, a kept one, and a character. */
  const busy = async (user: string) => {
    const own = client(gateway, user)
    const done = await own.accepted({ image_url: dataUrl(tinyPng), user_input: "my name is on it" })
    await hand.work(done)
    await fetch(own.url(`/api/v1/scan/${done}/feedback`), {
      method: "POST",
      headers: { "content-type": "application/json", ...own.headers },
      body: "{}"
    })
    const failed = await own.accepted()
    await hand.giveUp(await hand.begin(failed), "ModelRefused")
    const running = await own.accepted({ image_url: dataUrl(tinyPng) })
    await hand.begin(running)
    const earned = {
      userId: user,
      characterId: CharacterId.ofCharacter("char-petty"),
      code: "char-petty",
      source: "scan",
      acquired: Date.now() - 60_000
    }
    await onDatabase(RewardStore.saveOwnerships([earned]))
    await onDatabase(RewardStore.saveUserCharacters([{ ...earned, name: "페티", type: "t", dialog: "d" }]))
    await onDatabase(
      HistoryStore.save([
        {
          jobId: randomUUID(),
          userId: user,
          created: Date.now() - 86_400_000,
          ended: Date.now() - 86_400_000,
          language: "ko",
          classification: { major_category: "대형폐기물", middle_category: "", minor_category: null },
          answer: "신고하고 내놓습니다.",
          character: null,
          simulated: false
        }
      ])
    )
    return { own, ids: [done, failed, running] }
  }

  it("a user's scans, results, photos and characters are gone from both stores, and another user's stay", async () => {
    const { ids, own } = await busy("ann")
    const { ids: others, own: bob } = await busy("bob")
    const { body, status } = await own.remove(path)
    expect([status, field(body, "erased")]).toEqual([200, { jobs: 3, scans: 1, characters: 1, feedback: 1 }])
    const left = (await outside.keys("*")).filter((key) => ids.some((id) => key.includes(id)) || key.endsWith(":ann"))
    expect(left).toEqual([])
    expect(await rowsOf("ann")).toEqual([])
    expect(scansOf((await own.get("/api/v1/scan")).body)).toEqual([])
    for (const id of ids) expect((await own.result(id)).status).toBe(404)
    expect(scansOf((await bob.get("/api/v1/scan")).body)).toHaveLength(4)
    expect((await bob.result(others[0]!)).status).toBe(200)
    expect(await rowsOf("bob")).toHaveLength(4)
  })

  it("the answer of an erasure names what is not erased, why, and how long it stays", async () => {
    const { body } = await client(gateway, "new").remove(path)
    expect(field(body, "erased")).toEqual({ jobs: 0, scans: 0, characters: 0, feedback: 0 })
    const remaining = field(body, "remaining")
    const named = Array.isArray(remaining) ? remaining : []
    expect(named.map((one) => field(one, "what"))).toEqual([
      "usage_counters",
      "model_replies",
      "older_jobs",
      "operators_lists",
      "stored_pictures",
      "erasure",
      "revoked_tokens",
      "operators_records"
    ])
    for (const one of named) expect(String(field(one, "why")).length).toBeGreaterThan(20)
    // what the gateway knows of the user after it, in Redis: nothing but these
    expect((await outside.keys("*new*")).filter((key) => !key.includes(":limit:"))).toEqual([])
  })

  it("a user's new scans after an erasure are theirs as before", async () => {
    const own = client(gateway, "eve")
    await own.remove(path)
    const id = await own.accepted()
    expect(scansOf((await own.get("/api/v1/scan")).body)).toMatchObject([{ job_id: id }])
  })

  it("an erasure needs a user, and a page of another origin may not ask for it", async () => {
    expect((await client(gateway, null).remove(path)).status).toBe(401)
    const foreign = await client(gateway, "ann").remove(path, { origin: "https://evil.example", cookie: "s_access=x" })
    expect(foreign.status).toBe(403)
  })

  it("while the database is away an erasure is 503, and asking again erases the rest", async () => {
    const { own } = await busy("kim")
    await database.kill()
    const { body, headers, status } = await own.remove(path)
    expect([status, field(body, "code")]).toEqual([503, "UNAVAILABLE"])
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0)
    await database.restart()
    expect(await rowsOf("kim")).not.toEqual([])
    expect((await own.remove(path)).status).toBe(200)
    expect(await rowsOf("kim")).toEqual([])
  })
})
