/** The list of a user's scans from both stores: what Redis has, and what Postgres keeps after that. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { prepareDatabase } from "@eco2/actors/characters"
import { Postgres } from "@eco2/core/postgres"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { Duration, Effect } from "effect"
import { Redis } from "ioredis"
import { randomUUID } from "node:crypto"
import type { KeptScan } from "../../../packages/actors/src/history/HistoryActor.ts"
import * as HistoryStore from "../../../packages/actors/src/history/HistoryStore.ts"
import { client, field } from "../ScanClient.ts"
import type { Client } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const scans = (body: unknown) => {
  const list = field(body, "scans")
  return Array.isArray(list) ? list : []
}
const idsOf = (body: unknown) => scans(body).map((scan) => String(field(scan, "job_id")))

describe.skipIf(!PostgresServer.isInstalled())("GET /api/v1/scan, with a database", () => {
  let redis: RedisServer.RedisServer
  let outside: Redis
  let database: PostgresServer.PostgresServer
  let gateway: Serving
  const onDatabase = <A, E>(effect: Effect.Effect<A, E, Postgres.Postgres>) =>
    Effect.runPromise(
      Effect.provide(effect, Postgres.layerUrl(database.url(), { pool: 1, timeout: Duration.seconds(10) }))
    )
  /** A done scan that the saver has kept, submitted `ago` milliseconds ago. */
  const keep = async (userId: string, jobId: string, ago: number, changes: Partial<KeptScan> = {}) => {
    const created = Date.now() - ago
    await onDatabase(
      HistoryStore.save([
        {
          jobId,
          userId,
          created,
          ended: created + 5_000,
          language: "en",
          classification: { major_category: "재활용폐기물", middle_category: "무색페트병", minor_category: null },
          answer: "Empty it.",
          character: "페티",
          simulated: false,
          ...changes
        }
      ])
    )
  }
  /** As when their results have expired. */
  const expire = async (ids: ReadonlyArray<string>) => {
    for (const id of ids) for (const key of await outside.keys(`eco2:{*}:job:${id}*`)) await outside.del(key)
  }
  const all = async (user: Client, limit: number) => {
    const found: Array<string> = []
    let cursor: unknown = null
    do {
      const { body } = await user.get(
        `/api/v1/scan?limit=${limit}${cursor === null ? "" : `&cursor=${String(cursor)}`}`
      )
      expect(field(body, "complete")).toBe(true)
      expect(scans(body).length).toBeLessThanOrEqual(limit)
      found.push(...idsOf(body))
      cursor = field(body, "next_cursor")
      expect(field(body, "has_more")).toBe(cursor !== null)
    } while (cursor !== null)
    return found
  }

  beforeAll(async () => {
    ;[redis, database] = await Promise.all([RedisServer.start(), PostgresServer.start()])
    outside = new Redis(redis.url)
    await onDatabase(prepareDatabase)
    gateway = await start("gateway", {
      ...simulatedOnly,
      AUTH_MODE: "header",
      REDIS_URL: redis.url,
      DATABASE_URL: database.url()
    })
  })
  afterAll(async () => {
    await gateway.stop()
    outside.disconnect()
    await Promise.all([redis.stop(), database.stop()])
  })

  it.each([1, 2, 3, 50])(
    "scans of both stores are one list, the newest first, each once, in pages of %i",
    async (limit) => {
      const name = `lea ${limit}`
      const lea = client(gateway, name)
      const older = [randomUUID(), randomUUID(), randomUUID()]
      for (const [n, id] of older.entries()) await keep(name, id, 3_600_000 * (n + 1))
      await keep("max", randomUUID(), 1_000)
      const ids: Array<string> = []
      for (let n = 0; n < 4; n++) ids.push(await lea.accepted())
      // one is in both stores, of one Redis has the place alone, one is nowhere any more
      await keep(name, ids[0]!, 100)
      await keep(name, ids[1]!, 100)
      await expire([ids[1]!, ids[2]!])
      const wanted = [ids[3], ids[1], ids[0], ...older]
      expect(await all(lea, limit)).toEqual(wanted)
      // Redis has forgotten the user
      await outside.del(...(await outside.keys(`eco2:{*}:jobs:${name}`)))
      await expire(ids)
      expect(await all(lea, limit)).toEqual(
        [ids[1], ids[0], ...older].toSorted((a, b) => wanted.indexOf(a) - wanted.indexOf(b))
      )
    }
  )

  it("a kept scan says when, what, the answer and the character, in the words of its language, and has no result", async () => {
    const id = randomUUID()
    await keep("kim", id, 86_400_000)
    expect(scans((await client(gateway, "kim").get("/api/v1/scan")).body)).toEqual([
      {
        job_id: id,
        status: "completed",
        created_at: expect.stringMatching(/Z$/),
        ended_at: expect.stringMatching(/Z$/),
        image_url: null,
        user_input: null,
        classification: { major_category: "재활용폐기물", middle_category: "무색페트병", minor_category: null },
        display: { major_category: "Recyclables", middle_category: expect.stringMatching(/PET/), minor_category: null },
        user_answer: "Empty it.",
        character: "페티",
        simulated: false,
        result_url: null
      }
    ])
  })

  it("a cursor of an earlier version, a job's id alone, goes on in the list", async () => {
    const joe = client(gateway, "joe")
    const [first, second] = [await joe.accepted(), await joe.accepted()]
    const kept = randomUUID()
    await keep("joe", kept, 60_000)
    expect(idsOf((await joe.get(`/api/v1/scan?cursor=${second}`)).body)).toEqual([first, kept])
  })

  it("while the database is away the list has what Redis has, and says that it is not complete", async () => {
    const ida = client(gateway, "ida")
    await keep("ida", randomUUID(), 60_000)
    const id = await ida.accepted()
    await database.kill()
    const { body, status } = await ida.get("/api/v1/scan")
    expect([status, idsOf(body), field(body, "complete"), field(body, "has_more")]).toEqual([200, [id], false, false])
    await database.restart()
    expect(idsOf((await ida.get("/api/v1/scan")).body)).toHaveLength(2)
    expect(gateway.logs.filter(({ msg }) => msg === "kept scans cannot be read")).toHaveLength(1)
  })
})
