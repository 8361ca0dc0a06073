/** "This is wrong": whose it may be, what it must be, how much of it, and what its reader sees. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { prepareDatabase } from "@eco2/actors/characters"
import { Feedback } from "@eco2/actors/protocol"
import { Postgres } from "@eco2/core/postgres"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { Duration, Effect } from "effect"
import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import { displayName, minorGroups } from "../../../packages/actors/src/domain/Waste.ts"
import * as HandWorker from "../HandWorker.ts"
import { client, field, read } from "../ScanClient.ts"
import type { Client } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const secret = "operators' own"

describe.skipIf(!PostgresServer.isInstalled())("POST /api/v1/scan/{job_id}/feedback", () => {
  let redis: RedisServer.RedisServer
  let database: PostgresServer.PostgresServer
  let gateway: Serving
  let hand: HandWorker.HandWorker

  beforeAll(async () => {
    ;[redis, database] = await Promise.all([RedisServer.start(), PostgresServer.start()])
    await Effect.runPromise(
      Effect.provide(prepareDatabase, Postgres.layerUrl(database.url(), { pool: 1, timeout: Duration.seconds(10) }))
    )
    gateway = await start("gateway", {
      ...simulatedOnly,
      AUTH_MODE: "header",
      INTERNAL_SECRET: secret,
      REDIS_URL: redis.url,
      DATABASE_URL: database.url()
    })
    hand = await HandWorker.start(redis.url)
  })
  afterAll(async () => {
    await Promise.all([gateway.stop(), hand.stop()])
    await Promise.all([redis.stop(), database.stop()])
  })

  const give = async (user: Client, id: string, body: unknown) =>
    read(
      await fetch(user.url(`/api/v1/scan/${id}/feedback`), {
        method: "POST",
        headers: { "content-type": "application/json", ...user.headers },
        body: typeof body === "string" ? body : JSON.stringify(body)
      })
    )
  const list = async (query = "") => {
    const { body } = await client(gateway, null).get(`/api/v1/internal/ops/feedback${query}`, {
      "x-internal-secret": secret
    })
    const entries = field(body, "feedback")
    return { entries: Array.isArray(entries) ? entries : [], next: field(body, "next_cursor") }
  }
  const done = async (user: Client) => {
    const id = await user.accepted()
    await hand.work(id)
    return id
  }

  it("feedback is stored with what the answer said, without the user; the user's latest word counts", async () => {
    const ann = client(gateway, "ann")
    const id = await done(ann)
    expect(await give(ann, id, { category: null })).toMatchObject({
      status: 200,
      body: { job_id: id, status: "stored" }
    })
    await give(ann, id, { category: "종이팩", comment: "  우유팩이에요  " })
    const { entries } = await list()
    expect(entries).toEqual([
      {
        job_id: id,
        given_at: expect.stringMatching(/Z$/),
        language: "ko",
        major_category: "재활용폐기물",
        middle_category: "종이",
        minor_category: "신문지",
        model: "simulated",
        category: "종이팩",
        comment: "우유팩이에요"
      }
    ])
    expect(JSON.stringify(entries)).not.toContain("ann")
  })

  it("the reader of feedback goes through it page by page, the newest first, and needs the secret", async () => {
    const bob = client(gateway, "bob")
    const ids: Array<string> = []
    for (let n = 0; n < 3; n++) {
      const id = await done(bob)
      await give(bob, id, {})
      ids.unshift(id)
    }
    const first = await list("?limit=2")
    const second = await list(`?limit=2&cursor=${String(first.next)}`)
    const found = [...first.entries, ...second.entries].map((entry) => String(field(entry, "job_id")))
    expect(found.slice(0, 3)).toEqual(ids)
    expect(new Set(found).size).toBe(found.length)
    expect((await client(gateway, null).get("/api/v1/internal/ops/feedback")).status).toBe(403)
  })

  it("feedback on another user's scan, on one that is not done, and of a wrong form is refused", async () => {
    const [ann, eve] = [client(gateway, "ann"), client(gateway, "eve")]
    const id = await done(ann)
    const open = await ann.accepted()
    const codes = async (answer: ReturnType<typeof give>) => {
      const { body, status } = await answer
      return [status, field(body, "code") ?? "fields"]
    }
    expect(await codes(give(eve, id, {}))).toEqual([404, "RESULT_NOT_FOUND"])
    expect(await codes(give(ann, randomUUID(), {}))).toEqual([404, "RESULT_NOT_FOUND"])
    expect(await codes(give(ann, open, {}))).toEqual([409, "NOT_FINISHED"])
    expect(await codes(give(ann, id, "no JSON"))).toEqual([400, "INVALID_JSON"])
    for (const body of [
      { category: "재활용폐기물" },
      { category: 1 },
      { comment: "x".repeat(501) },
      { comment: "a\u0000b" },
      { comment: "half of a pair: \ud83d" }
    ]) {
      expect([body, (await give(ann, id, body)).status]).toEqual([body, 422])
    }
    expect((await give(client(gateway, null), id, {})).status).toBe(401)
  })

  it("a user's feedback is bounded for a day, and a new word on the same scan is taken beyond it", async () => {
    const max = client(gateway, "max")
    const ids: Array<string> = []
    for (let n = 0; n <= Feedback.mostADay; n++) ids.push(await done(max))
    for (const id of ids.slice(0, -1)) expect((await give(max, id, {})).status).toBe(200)
    const { body, headers, status } = await give(max, ids.at(-1)!, {})
    expect([status, field(body, "code")]).toEqual([429, "TOO_MUCH_FEEDBACK"])
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0)
    expect((await give(max, ids[0]!, { category: "전지" })).status).toBe(200)
  })

  it("while the database is away feedback is 503, and nobody is told that it was stored", async () => {
    const ida = client(gateway, "ida")
    const id = await done(ida)
    await database.kill()
    const { body, status } = await give(ida, id, {})
    expect([status, field(body, "code")]).toEqual([503, "UNAVAILABLE"])
    await database.restart()
    expect((await give(ida, id, {})).status).toBe(200)
  })
})

it("the page offers every category that feedback may name, in the words of the taxonomy where it is not Korean", () => {
  const source = readFileSync(new URL("../../../packages/gateway/src/web/feedback.js", import.meta.url), "utf8")
  const offered = [.../const CATEGORIES = \[([^\]]*)\]/.exec(source)![1]!.matchAll(/"([^"]+)"/g)].map(([, key]) => key)
  expect(offered).toEqual(minorGroups)
  const words = readFileSync(new URL("../../../packages/gateway/src/web/texts.js", import.meta.url), "utf8")
  for (const key of minorGroups) {
    const [korean, english, ...more] = [...words.matchAll(new RegExp(`"category\\.${key}": "([^"]+)"`, "g"))]
    expect([key, korean?.[1], english?.[1], more]).toEqual([key, expect.any(String), displayName(key, "en"), []])
  }
})
