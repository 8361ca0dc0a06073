/** The operators' calls: refused without the secret; dead letters listed, shown, redriven and discarded; live processes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { Predicate } from "effect"
import { OpenApi } from "effect/http-api"
import { InternalApi } from "../../../packages/gateway/src/http/ScanApi.ts"
import * as HandWorker from "../HandWorker.ts"
import { client } from "../ScanClient.ts"
import type { Client } from "../ScanClient.ts"
import { simulatedOnly, start } from "../Serving.ts"
import type { Serving } from "../Serving.ts"

const secret = "only operators know this"
let redis: RedisServer.RedisServer
let gateway: Serving
let hand: HandWorker.HandWorker
let ann: Client

beforeAll(async () => {
  redis = await RedisServer.start()
  gateway = await start("gateway", {
    ...simulatedOnly,
    AUTH_MODE: "header",
    REDIS_URL: redis.url,
    INTERNAL_SECRET: secret
  })
  hand = await HandWorker.start(redis.url)
  ann = client(gateway)
})
afterAll(async () => {
  await gateway.stop()
  await hand.stop()
  await redis.stop()
})

const ops = async (method: string, path: string, headers: Record<string, string> = { "x-internal-secret": secret }) => {
  const response = await fetch(`${gateway.address}/api/v1/internal/ops${path}`, { method, headers })
  const text = await response.text()
  return { status: response.status, body: text === "" ? null : JSON.parse(text) }
}
const dead = "/mailboxes/scan.vision/dead"
const failed = async (cause: string) => {
  const id = await ann.accepted()
  await hand.giveUp(await hand.begin(id), cause)
  return id
}

describe("the operators' API", () => {
  it.each([
    ["GET", "/mailboxes"],
    ["GET", "/processes"],
    ["GET", "/jobs/00000000-0000-0000-0000-000000000000"],
    ["DELETE", "/jobs/00000000-0000-0000-0000-000000000000"],
    ["GET", dead],
    ["POST", `${dead}/redrive`],
    ["POST", `${dead}/0/1-1/redrive`],
    ["DELETE", `${dead}/0/1-1`]
  ])("%s %s is refused without the secret, and with a wrong one", async (method, path) => {
    expect(await ops(method, path, {})).toMatchObject({ status: 403, body: { code: "FORBIDDEN" } })
    expect(await ops(method, path, { "x-internal-secret": `${secret}?` })).toMatchObject({ status: 403 })
  })

  it("a failed job's letter is listed, shown by its id, and leads to the job", async () => {
    const id = await failed("ModelRefused")
    const { body } = await ops("GET", `${dead}?cause=ModelRefused`)
    const letter = body.find((one: { job_id: string }) => one.job_id === id)
    expect(letter).toMatchObject({ mailbox: "scan.vision", cause: "ModelRefused", attempts: 1 })
    expect((await ops("GET", `${dead}/${letter.id}`)).body).toEqual(letter)
    expect((await ops("GET", `/jobs/${id}`)).body).toMatchObject({
      state: "failed",
      stage: "vision",
      run: 1,
      committed: [],
      result: null
    })
  })

  it("a job is shown with its paid calls and their sums, and so is its result", async () => {
    const id = await ann.accepted()
    const vision = await hand.begin(id)
    const usage = { input: 900, cached: 300, output: 100, reasoning: 20 }
    await hand.pay(vision, {
      service: "gpt-5.2",
      bill: { outcome: "billed-bad", usage, cost: 1_500, requestId: "req_1", note: "not JSON" }
    })
    await hand.pay(vision, { service: "unpriced", bill: { outcome: "ok", usage } })
    await hand.pay(vision, { service: "gpt-5.2", bill: { outcome: "free" } })
    await hand.pay(vision, { service: "gpt-5.2" })
    const { body } = await ops("GET", `/jobs/${id}`)
    expect(body.spent).toEqual({
      ...{ ok: 1, billed_bad: 1, uncertain: 0, open: 1, free: 1, unpriced: 1 },
      ...{ cost: 0.0015, tokens: 2_000 }
    })
    const call = { stage: "vision", attempt: 1, run: 1, request: "5f1c", opened: expect.any(Number) }
    const none = { cost: null, input: null, cached: null, output: null, reasoning: null, request_id: null, note: null }
    expect(body.calls).toEqual([
      {
        ...call,
        ...usage,
        ...{ service: "gpt-5.2", outcome: "billed-bad", closed: expect.any(Number) },
        ...{ cost: 0.0015, request_id: "req_1", note: "not JSON" }
      },
      { ...call, ...none, ...usage, service: "unpriced", outcome: "ok", closed: expect.any(Number) },
      { ...call, ...none, service: "gpt-5.2", outcome: "open", closed: null }
    ])
    await hand.commit(vision)
    await hand.work(id, 3)
    expect((await ann.result(id)).body).toMatchObject({
      metadata: {
        ...{ calls_ok: 1, calls_billed_bad: 1, calls_free: 1, calls_uncertain: 0, cost: 0.0015, tokens: 2_000 }
      }
    })
  })

  it("J2 a letter's redrive starts another run of its job, which goes on where it failed", async () => {
    const id = await ann.accepted()
    await hand.commit(await hand.begin(id))
    await hand.giveUp(await hand.begin(id), "Outage")
    expect((await ops("POST", "/mailboxes/scan.rule/dead/redrive?cause=Outage")).body).toEqual({
      redriven: 1,
      skipped: 0,
      matched: 1,
      next: null
    })
    expect((await ops("GET", `/jobs/${id}`)).body).toMatchObject({
      state: "waiting",
      stage: "rule",
      run: 2,
      committed: ["vision"]
    })
    expect((await ann.result(id)).status).toBe(202)
    await hand.work(id, 3)
    expect((await ann.result(id)).status).toBe(200)
    expect((await ops("GET", "/mailboxes/scan.rule/dead?cause=Outage")).body).toEqual([])
  })

  it("a letter is discarded once, and is gone afterwards", async () => {
    const id = await failed("Nonsense")
    const [letter] = (await ops("GET", `${dead}?cause=Nonsense`)).body
    expect(letter.job_id).toBe(id)
    expect((await ops("DELETE", `${dead}/${letter.id}`)).status).toBe(204)
    expect((await ops("DELETE", `${dead}/${letter.id}`)).status).toBe(404)
    expect((await ops("GET", `/jobs/${id}`)).body.state).toBe("failed")
  })

  it("mailboxes are counted, live processes are listed, and a job is cancelled", async () => {
    const before = (await ops("GET", "/mailboxes")).body
    const id = await ann.accepted()
    const after = (await ops("GET", "/mailboxes")).body
    expect(after[0].entries).toBe(before[0].entries + 1)
    expect((await ops("DELETE", `/jobs/${id}`)).body).toEqual({ outcome: "cancelled" })
    expect((await ops("DELETE", `/jobs/${id}`)).body).toEqual({ outcome: "already" })
    const worker = await start("scan-worker", { ...simulatedOnly, REDIS_URL: redis.url })
    const { body } = await ops("GET", "/processes")
    expect(body).toContainEqual(expect.objectContaining({ role: "scan-worker", state: "alive" }))
    await worker.stop()
  })

  it("an unknown job, mailbox or letter is answered with 404", async () => {
    for (const path of ["/jobs/none", "/mailboxes/nobody/dead", `${dead}/0/1-1`, `${dead}/9/1-1`]) {
      expect((await ops("GET", path)).status).toBe(404)
    }
  })

  it.each(["x", "", "0", "-1", "1.5", "1e2", "0x10", "1001", "NaN", "5&limit=6"])(
    "a limit that is no whole number from 1 to 1000 (%s) is refused by name, and nothing is redriven",
    async (limit) => {
      const id = await failed("Limited")
      for (const [method, path] of [
        ["GET", "/jobs"],
        ["GET", dead],
        ["POST", `${dead}/redrive`]
      ] as const) {
        expect(await ops(method, `${path}?limit=${limit}`)).toEqual({
          status: 400,
          body: { code: "INVALID_REQUEST", detail: expect.stringContaining("query limit: expected ") }
        })
      }
      expect((await ops("GET", `/jobs/${id}`)).body.state).toBe("failed")
    }
  )

  it("the least and the largest limit are taken", async () => {
    for (const limit of ["1", "1000"]) expect((await ops("GET", `/jobs?limit=${limit}`)).status).toBe(200)
    await failed("Least")
    expect((await ops("GET", `${dead}?limit=1`)).body).toHaveLength(1)
  })

  /** Every call behind the secret, with something in the place of its parameters. */
  const calls = Object.entries(OpenApi.fromApi(InternalApi).paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, call]) =>
      Predicate.hasProperty(call, "responses") && path.startsWith("/api/v1/internal/")
        ? [{ method: method.toUpperCase(), path: path.replace(/\{[^}]+\}/g, "scan.vision") }]
        : []
    )
  )

  it("there are operators' calls to be asked with an unknown name", () => {
    expect(calls.length).toBeGreaterThan(15)
  })

  it.each(calls)(
    "$method $path refuses a query with an unknown name, and names those it knows",
    async ({ method, path }) => {
      const url = `${gateway.address}${path}?cuase=canary`
      const [known, stranger] = await Promise.all([
        fetch(url, { method, headers: { "x-internal-secret": secret } }),
        fetch(url, { method })
      ])
      expect([known.status, await known.json()]).toEqual([
        400,
        {
          code: "INVALID_REQUEST",
          detail: expect.stringMatching(/^query cuase: unknown name; (known are [a-z_, ]+|this call has no query)$/)
        }
      ])
      // what it knows is for those with the secret
      expect(stranger.status).toBe(403)
    }
  )

  it("a redrive whose filter is misspelt redrives nothing", async () => {
    const id = await failed("Misspelt")
    const { body } = await ops("POST", `${dead}/redrive?limit=1&cuase=Other`)
    expect(body.detail).toBe("query cuase: unknown name; known are cause, owner, since, until, limit, cursor, dry_run")
    expect((await ops("POST", `${dead}/redrive?%1b%5bcause=Other`)).body.detail).toBe(
      "query: unknown name; known are cause, owner, since, until, limit, cursor, dry_run"
    )
    expect((await ops("GET", `/jobs/${id}`)).body.state).toBe("failed")
  })

  it("a wrong or repeated parameter of any call is named in its refusal, without what was sent", async () => {
    for (const [path, field] of [
      ["/jobs?state=canary", "state"],
      ["/jobs?owner=a&owner=canary", "owner"],
      ["/jobs?pipeline=a&pipeline=canary", "pipeline"],
      [`${dead}?cause=a&cause=canary`, "cause"]
    ] as const) {
      const { body, status } = await ops("GET", path)
      expect([path, status, body.detail]).toEqual([path, 400, expect.stringContaining(`query ${field}: expected `)])
      expect(JSON.stringify(body)).not.toContain("canary")
    }
  })
})
