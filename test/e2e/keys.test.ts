/**
 * The keys that a workload leaves in Redis: only those of the table, and after their lifetime only those that may remain.
 * KEY_PREFIX is not the default, so a key that is named without it is a stranger.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { prepareDatabase } from "@eco2/actors/characters"
import { Keys } from "@eco2/core/redis"
import { Postgres } from "@eco2/core/postgres"
import { PostgresServer } from "@eco2/core/testing"
import { Duration, Effect } from "effect"
import { client, dataUrl, field, tinyPng } from "../gateway/ScanClient.ts"
import type { Client } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import * as System from "./System.ts"
import * as KeyTables from "../harness/KeyTables.ts"

const prefix = Keys.Prefix.make("eco2-e2e.1")
const names = new Keys.Names(prefix)
const rowOf = (key: string) => KeyTables.rowOf(key, names)

let system: System.System
let database: PostgresServer.PostgresServer

describe.skipIf(!PostgresServer.isInstalled())("Redis after a workload", () => {
  beforeAll(async () => {
    database = await PostgresServer.start()
    const limits = { pool: 1, timeout: Duration.seconds(10) }
    await Effect.runPromise(Effect.provide(prepareDatabase, Postgres.layerUrl(database.url(), limits)))
    system = await System.start({
      DATABASE_URL: database.url(),
      KEY_PREFIX: prefix,
      JOB_TTL: "1 second",
      LETTER_TTL: "2 seconds",
      // beats often enough for a cancel, and is not lost on a busy machine, where another process would call the model again
      LEASE: "6 seconds"
    })
  })
  afterAll(async () => {
    await system.stop()
    await database.stop()
  })

  it("Redis after a workload has keys of the key table only, with their types, and after every TTL only the lasting ones", async () => {
    const [gateway, worker] = await Promise.all([
      system.start("gateway"),
      system.start("scan-worker"),
      system.start("character-match"),
      system.start("character-worker")
    ])
    const { models, outside } = system
    const strangers = async () => {
      const found: Array<string> = []
      for (const key of await outside.keys("*")) {
        const type = await outside.type(key)
        // expired since it was listed
        if (type !== "none" && rowOf(key)?.type !== type) found.push(`${key} (${type})`)
      }
      return found
    }
    const users = ["ann", "bob", "dora", "emil", "나래"].map((user) => client(gateway, encodeURIComponent(user)))

    const uploaded = async (user: Client) => {
      const answer = await fetch(user.url("/api/v1/images/scan"), {
        method: "POST",
        headers: user.headers,
        body: JSON.stringify({ filename: "a.png", content_type: "image/png" })
      })
      const body: unknown = await answer.json()
      await fetch(String(field(body, "upload_url")), {
        method: "PUT",
        headers: { "content-type": "image/png" },
        body: tinyPng
      })
      return String(field(body, "cdn_url"))
    }
    models.next("answer", { _tag: "Hang" }, users.length)
    const hung = await Promise.all(
      users.map(async (user, n) => user.accepted({ image_url: n === 0 ? await uploaded(user) : dataUrl(tinyPng) }))
    )
    await models.waitForCall(2 * users.length)
    expect(await strangers()).toEqual([])
    const kept = (await outside.keys("*")).map((key) => rowOf(key)?.name)
    for (const name of ["{p}:job:<id>", "{p}:picture:<id>", "{p}:mailbox:<actor>", "{p}:events", "{p}:timers"]) {
      expect(kept).toContain(name)
    }
    await Promise.all(users.map((user, i) => user.remove(`/api/v1/scan/${hung[i]}`)))

    models.next("vision", { _tag: "Refusal" }, users.length)
    const statuses = await Promise.all(
      users.flatMap((user) =>
        [1, 2].map(async (n) => {
          const body = n === 1 ? { image_url: dataUrl(tinyPng) } : { image_url: `https://example.com/${n}.jpg` }
          const id = await user.accepted(body, { "x-idempotency-key": `walk ${n}` })
          return field((await user.finished(id)).body, "status")
        })
      )
    )
    expect(new Set(statuses)).toEqual(new Set(["completed", "failed"]))
    models.next("vision", { _tag: "RateLimit", retryAfterSeconds: 600 })
    const delayed = await users[0]!.accepted()
    await worker.waitForLog(({ job_id, msg }) => msg === "stage will be retried" && job_id === delayed)
    // a usual job's history follows from its hash; this one has more to tell
    expect((await outside.keys("*")).map((key) => rowOf(key)?.name)).toContain("{p}:job:<id>:events")
    await users[0]!.remove(`/api/v1/scan/${delayed}`)
    expect(await strangers()).toEqual([])

    // of live processes, which renew them
    const isReplies = (key: string) => rowOf(key)?.name === "{fleet}:replies:<process>"
    /** What may not remain and is still there. A key that expires is expired now: nobody waits for minutes. */
    const passing = async () => {
      const keys = (await outside.keys("*")).filter((key) => !isReplies(key) && rowOf(key)?.remains !== true)
      for (const key of keys) if ((await outside.pttl(key)) > 0) await outside.pexpire(key, 1)
      return keys
    }
    await until(passing, (keys) => keys.length === 0)
    const left = await outside.keys("*")
    // a batch of the savers may still be waiting for more
    const mailboxes = left.filter((name) => name.includes(":mailbox:"))
    await until(
      () => Promise.all(mailboxes.map((key) => outside.xlen(key))),
      (lengths) => lengths.every((length) => length === 0)
    )
    for (const key of left.filter(isReplies)) expect(await outside.pttl(key)).toBeGreaterThan(0)
    expect(await strangers()).toEqual([])
    expect(left.map((key) => rowOf(key)?.name)).toEqual(
      expect.arrayContaining(["{p}:mailbox:<actor>", "{fleet}:alive", "{fleet}:meta", "image-secret"])
    )
    // the aborted calls of the cancelled jobs (J7)
    await models.waitForAbort(users.length)
  })
})
