/** What a workload leaves in Redis: only keys of the table, and after their time only those that may remain. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Keys } from "@eco2/core"
import { client, dataUrl, field, tinyPng } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import * as System from "./System.ts"

let system: System.System
beforeAll(async () => {
  system = await System.start({ JOB_TTL: "1 second", LETTER_TTL: "2 seconds", LEASE: "1 second" })
})
afterAll(() => system.stop())

describe("Redis after a workload", () => {
  it("holds keys of the table only, of their types; once every TTL has passed, only those that remain", async () => {
    const [gateway, worker] = await Promise.all([system.start("gateway"), system.start("scan-worker")])
    const { models, outside } = system
    const strangers = async () => {
      const found: Array<string> = []
      for (const key of await outside.keys("*")) {
        const type = await outside.type(key)
        // gone since it was listed
        if (type !== "none" && Keys.rowOf(key)?.type !== type) found.push(`${key} (${type})`)
      }
      return found
    }
    const users = ["ann", "bob", "dora", "emil", "나래"].map((user) => client(gateway, encodeURIComponent(user)))

    models.next("answer", { _tag: "Hang" }, users.length)
    const hung = await Promise.all(users.map((user) => user.accepted({ image_url: dataUrl(tinyPng) })))
    await models.waitForCall(2 * users.length)
    expect(await strangers()).toEqual([])
    const kept = (await outside.keys("*")).map((key) => Keys.rowOf(key)?.name)
    for (const name of ["{p}:job:<id>", "{p}:job:<id>:events", "{p}:mailbox:<actor>", "{p}:events", "{p}:timers"]) {
      expect(kept).toContain(name)
    }
    await Promise.all(users.map((user, i) => user.remove(`/api/v1/scan/${hung[i]}`)))

    models.next("answer", { _tag: "Refusal" }, users.length)
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
    await worker.waitForLog(({ job_id, msg }) => msg === "stage will be tried again" && job_id === delayed)
    await users[0]!.remove(`/api/v1/scan/${delayed}`)
    expect(await strangers()).toEqual([])

    const left = await until(
      () => outside.keys("*"),
      (keys) => keys.every((key) => Keys.rowOf(key)?.remains)
    )
    expect(await strangers()).toEqual([])
    for (const key of left.filter((name) => name.includes(":mailbox:")))
      expect([key, await outside.xlen(key)]).toEqual([key, 0])
    expect(left.map((key) => Keys.rowOf(key)?.name)).toEqual(
      expect.arrayContaining(["{p}:mailbox:<actor>", "{fleet}:alive", "{fleet}:meta"])
    )
    // the interrupted calls of the cancelled jobs were given up (J7)
    for (let n = 0; n < users.length; n++) await models.waitForAbort(users.length + n + 1)
  })
})
