/** The scan calls for a client: submit, result, cancel, access, and one job for each idempotency key (J6). */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { Redis } from "ioredis"
import { randomUUID } from "node:crypto"
import { refusals } from "../../harness/Described.ts"
import { FakeModelServer } from "../../harness/FakeModelServer.ts"
import { send } from "../../harness/RawRequest.ts"
import * as HandWorker from "../HandWorker.ts"
import { client, dataUrl, field, photo, read, tinyPng } from "../ScanClient.ts"
import { start } from "../Serving.ts"
import type { Environment, Serving } from "../Serving.ts"

let redis: RedisServer.RedisServer
let outside: Redis
let models: FakeModelServer
let env: Environment
let gateway: Serving

beforeAll(async () => {
  redis = await RedisServer.start()
  outside = new Redis(redis.url)
  models = await FakeModelServer.start()
  env = {
    AUTH_MODE: "header",
    REDIS_URL: redis.url,
    OPENAI_MODELS: "gpt-5.2,gpt-5-mini",
    OPENAI_API_KEY: "sk-test",
    OPENAI_BASE_URL: `${models.url}/v1`,
    // pictures are named by address only, and never fetched
    FETCH_IMAGES: "false",
    GEMINI_MODELS: "",
    SIMULATED_MODEL: "true",
    SIMULATED_VISION_MS: "0",
    SIMULATED_ANSWER_MS: "0",
    DEFAULT_MODEL: "simulated",
    CORS_ORIGINS: "https://app.example"
  }
  gateway = await start("gateway", env)
})
afterAll(async () => {
  await gateway.stop()
  outside.disconnect()
  await models.close()
  await redis.stop()
})

const notFound = { detail: expect.any(String), code: "RESULT_NOT_FOUND" }
const jobKeys = async () => (await outside.keys("eco2:{*}:job:*")).filter((key) => /:job:[0-9a-f-]{36}$/.test(key))

describe("POST /api/v1/scan", () => {
  it("a submit answers 202 with the job's addresses, and Location names the result", async () => {
    const answer = await client(gateway).submit({ image_url: photo })
    const id = String(field(answer.body, "job_id"))
    expect(answer.status).toBe(202)
    expect(answer.body).toEqual({
      job_id: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      stream_url: `/api/v1/scan/${id}/events`,
      result_url: `/api/v1/scan/${id}/result`,
      status: "queued"
    })
    expect(answer.headers.get("location")).toBe(`/api/v1/scan/${id}/result`)
  })

  it("a new job's result is 202 with Retry-After before any worker runs", async () => {
    const ann = client(gateway)
    const id = await ann.accepted()
    for (const path of [`/api/v1/scan/${id}/result`, `/api/v1/scan/result/${id}`]) {
      const answer = await ann.get(path)
      expect([answer.status, answer.body]).toEqual([
        202,
        { status: "processing", message: expect.any(String), current_stage: "queued", progress: 0 }
      ])
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1)
    }
  })

  it("J6 fifty submits at once with one key are one job, in Redis too", async () => {
    const ann = client(gateway, "fifty")
    const before = await jobKeys()
    for (const body of [{ image_url: photo }, { image_url: dataUrl(tinyPng) }]) {
      const key = randomUUID()
      const ids = await Promise.all(Array.from({ length: 50 }, () => ann.accepted(body, { "x-idempotency-key": key })))
      expect(new Set(ids).size).toBe(1)
    }
    expect((await jobKeys()).length - before.length).toBe(2)
    expect(await outside.keys("*:upload:*")).toEqual([])
  })

  it("J6 another body under the key is refused, and the same body is the same job", async () => {
    const ann = client(gateway)
    const headers = { "x-idempotency-key": "walk-1" }
    const id = await ann.accepted({ image_url: photo, user_input: "bin?" }, headers)
    const refused = await ann.submit({ image_url: photo, user_input: "which bin?" }, headers)
    expect([refused.status, refused.body]).toEqual([
      409,
      { detail: expect.any(String), code: "IDEMPOTENCY_KEY_REUSED" }
    ])
    const image = await ann.submit({ image_url: dataUrl(tinyPng), user_input: "bin?" }, headers)
    expect(image.status).toBe(409)
    expect(await ann.accepted({ user_input: "bin?", image_url: photo }, headers)).toBe(id)
  })

  it("J6 the same key of another user is another job", async () => {
    const headers = { "x-idempotency-key": "shared" }
    const [ann, bob] = await Promise.all(
      ["ann", "bob"].map((user) => client(gateway, user).accepted({ image_url: photo }, headers))
    )
    expect(ann).not.toBe(bob)
  })

  it("J6 a job keeps its key after it is cancelled", async () => {
    const ann = client(gateway)
    const headers = { "x-idempotency-key": "cancelled-1" }
    const id = await ann.accepted({ image_url: photo }, headers)
    await ann.remove(`/api/v1/scan/${id}`)
    expect(await ann.accepted({ image_url: photo }, headers)).toBe(id)
    expect(field((await ann.result(id)).body, "status")).toBe("cancelled")
  })

  it("pictures are refused while Redis is more than four fifths full, and image addresses are accepted", async () => {
    const use = Number(/used_memory:(\d+)/.exec(await outside.info("memory"))?.[1])
    await outside.config("SET", "maxmemory", Math.floor(use * 1.1))
    // a gateway of its own, because the share is read every two seconds only
    const full = await start("gateway", env)
    const refused = await client(full).submit({ image_url: dataUrl(tinyPng) })
    const taken = await client(full).submit({ image_url: photo })
    await outside.config("SET", "maxmemory", 0)
    await full.stop()
    expect([refused.status, field(refused.body, "code")]).toEqual([503, "STORAGE_FULL"])
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0)
    expect(taken.status).toBe(202)
  })

  it("a submit to a full mailbox is refused with 503 and Retry-After, and leaves nothing behind", async () => {
    const small = await start("gateway", { ...env, MAILBOX_CAPACITY: "4" })
    const dora = client(small, "dora")
    const answers = []
    for (let n = 0; n < 40; n++) answers.push(await dora.submit({ image_url: dataUrl(tinyPng) }))
    await small.stop()
    const last = answers.at(-1)
    expect([last?.status, field(last?.body, "code")]).toEqual([503, "MAILBOX_FULL"])
    expect(Number(last?.headers.get("retry-after"))).toBeGreaterThan(0)
  })
})

describe("GET /api/v1/scan", () => {
  const scans = (body: unknown) => {
    const list = field(body, "scans")
    return Array.isArray(list) ? list : []
  }
  const idsOf = (body: unknown) => scans(body).map((scan) => field(scan, "job_id"))

  it("a user's scans are listed the newest first, page by page, none twice, and no other user's", async () => {
    const lea = client(gateway, "lea")
    const ids: Array<string> = []
    for (let n = 0; n < 5; n++) ids.push(await lea.accepted())
    await client(gateway, "max").accepted()
    const seen: Array<unknown> = []
    let cursor: unknown = null
    do {
      const page = await lea.get(`/api/v1/scan?limit=2${cursor === null ? "" : `&cursor=${String(cursor)}`}`)
      expect([page.status, page.headers.get("cache-control")]).toEqual([200, "no-store"])
      seen.push(...idsOf(page.body))
      cursor = field(page.body, "next_cursor")
      expect(field(page.body, "has_more")).toBe(cursor !== null)
    } while (cursor !== null)
    expect(seen).toEqual(ids.toReversed())
  })

  it("a scan in the list says when, what was asked, and how it stands", async () => {
    const kim = client(gateway, "kim")
    const [open, cancelled] = [
      await kim.accepted({ image_url: photo, user_input: "lid?" }),
      await kim.accepted({ image_url: dataUrl(tinyPng) })
    ]
    await kim.remove(`/api/v1/scan/${cancelled}`)
    const [second, first] = scans((await kim.get("/api/v1/scan")).body)
    expect(first).toEqual({
      job_id: open,
      status: "processing",
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      ended_at: null,
      image_url: photo,
      user_input: "lid?",
      classification: null,
      user_answer: null,
      character: null,
      simulated: false,
      result_url: `/api/v1/scan/${open}/result`
    })
    expect([field(second, "status"), field(second, "image_url")]).toEqual(["cancelled", null])
  })

  it("what has expired is left out of the list, and a page is filled from behind it", async () => {
    const joe = client(gateway, "joe")
    const ids: Array<string> = []
    for (let n = 0; n < 4; n++) ids.push(await joe.accepted())
    for (const id of ids.slice(2)) for (const key of await outside.keys(`eco2:{*}:job:${id}*`)) await outside.del(key)
    const { body } = await joe.get("/api/v1/scan?limit=2")
    expect([idsOf(body), field(body, "next_cursor")]).toEqual([ids.slice(0, 2).toReversed(), null])
  })

  it("a list needs a user, a cursor is a job's id, and a limit is at most 50", async () => {
    expect((await client(gateway, null).get("/api/v1/scan")).status).toBe(401)
    for (const query of ["cursor=x", "limit=0", "limit=51", "limit=x"]) {
      expect([query, (await client(gateway).get(`/api/v1/scan?${query}`)).status]).toEqual([query, 400])
    }
    const unknown = await client(gateway).get(`/api/v1/scan?cursor=${randomUUID()}`)
    expect([unknown.status, scans(unknown.body)]).toEqual([200, []])
  })
})

describe("USER_CONCURRENCY", () => {
  it("a user's job beyond USER_CONCURRENCY waits as queued, and beyond the lane is refused with 429, for that user only", async () => {
    const narrow = await start("gateway", { ...env, USER_CONCURRENCY: "1", LANE_CAPACITY: "1" })
    const eve = client(narrow, "eve")
    await eve.accepted()
    const waits = await eve.accepted()
    const refused = await eve.submit({ image_url: dataUrl(tinyPng) })
    const other = await client(narrow, "fay").submit({ image_url: photo })
    const result = await eve.result(waits)
    await narrow.stop()
    expect([refused.status, field(refused.body, "code")]).toEqual([429, "LANE_FULL"])
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0)
    expect(other.status).toBe(202)
    expect([result.status, field(result.body, "current_stage")]).toEqual([202, "queued"])
  })
})

describe("USER_RATE", () => {
  it("a submit beyond USER_RATE is refused with 429 and Retry-After for that user only, and a repeat under a key passes", async () => {
    const slow = await start("gateway", { ...env, USER_RATE: "2/minute" })
    const gus = client(slow, "gus")
    const key = { "x-idempotency-key": "gus 1" }
    const first = await gus.accepted({ image_url: photo }, key)
    await gus.accepted({ image_url: dataUrl(tinyPng) })
    const refused = await gus.submit({ image_url: dataUrl(tinyPng) })
    const repeated = await gus.accepted({ image_url: photo }, key)
    const other = await client(slow, "hal").submit({ image_url: photo })
    await slow.stop()
    expect([refused.status, refused.body]).toEqual([429, { detail: expect.any(String), code: "RATE_LIMITED" }])
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(30)
    expect(repeated).toBe(first)
    expect(other.status).toBe(202)
  })
})

describe("other users' jobs", () => {
  it("another user's job is answered like an unknown one: result, events and cancel", async () => {
    const id = await client(gateway, "ann").accepted()
    const stranger = client(gateway, "bob")
    const unknown = randomUUID()
    const paths = (job: string) => [
      `/api/v1/scan/${job}/result`,
      `/api/v1/scan/result/${job}`,
      `/api/v1/scan/${job}/events`,
      `/api/v1/stream?job_id=${job}`
    ]
    for (const [i, path] of paths(id).entries()) {
      const foreign = await stranger.get(path)
      const nobodys = await stranger.get(paths(unknown)[i]!)
      expect([foreign.status, foreign.body]).toEqual([404, notFound])
      expect([nobodys.status, nobodys.body]).toEqual([404, foreign.body])
    }
    const foreign = await stranger.remove(`/api/v1/scan/${id}`)
    expect([foreign.status, foreign.body]).toEqual([404, notFound])
    expect((await stranger.remove(`/api/v1/scan/${unknown}`)).body).toEqual(foreign.body)
    expect((await client(gateway, "ann").result(id)).status).toBe(202)
  })

  it("every job is answered with 401 without a caller", async () => {
    const id = await client(gateway, "ann").accepted()
    const nobody = client(gateway, null)
    for (const path of [
      `/api/v1/scan/${id}/result`,
      `/api/v1/scan/${id}/events`,
      `/api/v1/scan/${randomUUID()}/result`
    ]) {
      const answer = await nobody.get(path)
      expect([answer.status, field(answer.body, "code")]).toEqual([401, "UNAUTHORIZED"])
    }
    expect((await nobody.remove(`/api/v1/scan/${id}`)).status).toBe(401)
  })

  it("a malformed job id is 400 for events, and 404 for result and cancel", async () => {
    const ann = client(gateway)
    for (const path of ["/api/v1/scan/nonsense/events", "/api/v1/stream?job_id=nonsense", "/api/v1/stream"]) {
      const answer = await ann.get(path)
      expect([answer.status, answer.body]).toEqual([400, { detail: expect.any(String), code: "INVALID_JOB_ID" }])
    }
    expect((await ann.get("/api/v1/scan/nonsense/result")).body).toEqual(notFound)
    expect((await ann.remove("/api/v1/scan/nonsense")).body).toEqual(notFound)
  })
})

describe("a job that a worker completes", () => {
  let worker: Serving
  beforeAll(async () => {
    await outside.flushall()
    await gateway.stop()
    gateway = await start("gateway", env)
    worker = await start("scan-worker", env)
  })
  afterAll(() => worker.stop())

  it("a finished scan in the list has its category in the scan's language, its answer, and when it ended", async () => {
    const min = client(gateway, "min")
    const id = await min.accepted({ image_url: photo, language: "en" })
    const { body } = await min.finished(id)
    const listed = field((await min.get("/api/v1/scan")).body, "scans")
    const result = field(body, "pipeline_result")
    const view = field(result, "classification_result")
    const { situation_tags: _, ...display } = Object(field(view, "display"))
    expect(listed).toMatchObject([
      {
        job_id: id,
        status: "completed",
        classification: field(view, "classification"),
        display,
        user_answer: field(field(result, "final_answer"), "user_answer"),
        ended_at: expect.stringMatching(/Z$/)
      }
    ])
  })

  it("a finished scan's result has the contract's shape, at both addresses", async () => {
    const ann = client(gateway)
    const id = await ann.accepted({ image_url: photo, user_input: "어디에 버려요?" })
    const answer = await ann.finished(id)
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({
      task_id: id,
      status: "completed",
      message: expect.any(String),
      pipeline_result: {
        classification_result: {
          classification: {
            major_category: expect.any(String),
            middle_category: expect.any(String),
            minor_category: expect.toSatisfy((minor: unknown) => minor === null || typeof minor === "string")
          },
          situation_tags: expect.any(Array),
          meta: { user_input: "어디에 버려요?" }
        },
        disposal_rules: expect.objectContaining({ key: expect.any(String), source: expect.anything() }),
        final_answer: {
          disposal_steps: expect.objectContaining({ 단계1: expect.any(String) }),
          insufficiencies: [],
          user_answer: expect.any(String)
        }
      },
      reward: expect.toSatisfy((reward: unknown) => reward === null || typeof field(reward, "name") === "string"),
      error: null,
      metadata: {
        llm_provider: "simulated",
        llm_model: "simulated",
        simulated: true,
        answer_model: "simulated",
        created_at: expect.stringMatching(/Z$/),
        attempts: 4,
        duration_vision_ms: expect.any(Number),
        duration_rule_ms: expect.any(Number),
        duration_answer_ms: expect.any(Number),
        duration_reward_ms: expect.any(Number),
        duration_total_ms: expect.any(Number),
        wait_ms: expect.any(Number)
      }
    })
    expect((await ann.get(`/api/v1/scan/result/${id}`)).body).toEqual(answer.body)
  })

  it("a failed scan's result has its error and the parts that were finished", async () => {
    const ann = client(gateway)
    await worker.stop()
    const hand = await HandWorker.start(env.REDIS_URL ?? "")
    const id = await ann.accepted({ image_url: photo })
    await hand.work(id, 2)
    await hand.giveUp(await hand.begin(id), "ModelRefused")
    await hand.stop()
    worker = await start("scan-worker", env)
    const answer = await ann.finished(id)
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({
      status: "failed",
      pipeline_result: {
        classification_result: { situation_tags: expect.any(Array) },
        disposal_rules: null,
        final_answer: null
      },
      reward: null,
      error: { code: "MODEL_REFUSED", message: expect.any(String), stage: "answer", attempts: 1 },
      metadata: { llm_provider: "simulated", llm_model: "simulated", simulated: true }
    })
  })

  it("a scan whose answer the model refuses has the rule's own steps as its answer, and says so", async () => {
    const ann = client(gateway)
    models.next("answer", { _tag: "Refusal" })
    const answer = await ann.finished(await ann.accepted({ image_url: photo, model: "gpt-5.2" }))
    expect(answer.body).toMatchObject({
      status: "completed",
      error: null,
      metadata: { llm_provider: "openai", llm_model: "gpt-5.2", answer_model: "rule" }
    })
  })

  it("a cancel answers 202, a second one too, and 409 once the job is done or failed", async () => {
    const ann = client(gateway)
    models.next("vision", { _tag: "Hang" })
    const id = await ann.accepted({ image_url: photo, model: "gpt-5.2" })
    for (let n = 0; n < 2; n++) {
      const answer = await ann.remove(`/api/v1/scan/${id}`)
      expect([answer.status, answer.body]).toEqual([202, { job_id: id, status: "cancelled" }])
    }
    const result = await ann.result(id)
    expect([result.status, result.body]).toMatchObject([200, { status: "cancelled", error: { code: "CANCELLED" } }])
    models.reset()

    const done = await ann.accepted()
    await ann.finished(done)
    models.next("vision", { _tag: "Refusal" })
    const failed = await ann.accepted({ image_url: photo, model: "gpt-5.2" })
    await ann.finished(failed)
    for (const over of [done, failed]) {
      const answer = await ann.remove(`/api/v1/scan/${over}`)
      expect([answer.status, answer.body]).toEqual([409, { detail: expect.any(String), code: "ALREADY_FINISHED" }])
    }
  })

  it("J6 a key names its job also when it is done or failed, and a new job once that has expired", async () => {
    const ann = client(gateway)
    for (const [key, model] of [
      ["done-1", "simulated"],
      ["failed-1", "gpt-5.2"]
    ] as const) {
      const headers = { "x-idempotency-key": key }
      const body = { image_url: photo, model }
      if (model !== "simulated") models.next("vision", { _tag: "Refusal" })
      const id = await ann.accepted(body, headers)
      const first = await ann.finished(id)
      expect(await ann.accepted(body, headers)).toBe(id)
      expect((await ann.result(id)).body).toEqual(first.body)
      expect((await ann.submit({ ...body, user_input: "?" }, headers)).status).toBe(409)
      for (const left of await outside.keys(`*:job:${id}*`)) await outside.pexpire(left, 0)
      const other = await ann.accepted({ ...body, user_input: "?" }, headers)
      expect(field((await ann.finished(other)).body, "status")).toBe("completed")
    }
  })

  it("a picture is deleted from Redis by the commit of the last stage that reads it", async () => {
    const ann = client(gateway)
    const id = await ann.accepted({ image_url: dataUrl(tinyPng) })
    await ann.finished(id)
    expect(await outside.keys("*:image")).toEqual([])
  })

  it("a job past its TTL is answered like an unknown one", async () => {
    const ann = client(gateway)
    const id = await ann.accepted()
    await ann.finished(id)
    for (const key of await outside.keys(`*:job:${id}*`)) await outside.pexpire(key, 0)
    expect((await ann.result(id)).body).toEqual(notFound)
    expect((await ann.get(`/api/v1/scan/${id}/events`)).body).toEqual(notFound)
  })
})

describe("a scan in English", () => {
  it("a scan in English that is still open says so in English", async () => {
    const ann = client(gateway)
    const messageOf = async (body: object) =>
      field((await ann.result(await ann.accepted({ image_url: photo, ...body }))).body, "message")
    expect(await messageOf({ language: "en" })).toBe("The classification is in progress.")
    expect(await messageOf({})).toBe("분류가 진행 중입니다.")
  })
})

describe("lists for clients", () => {
  it("the categories are in the language of the query, else of Accept-Language, and another language is refused", async () => {
    const nameOf = async (query: string, language: string) => {
      const answer = await client(gateway, null).get(`/api/v1/scan/categories${query}`, { "accept-language": language })
      expect(answer.headers.get("vary")).toContain("Accept-Language")
      return Array.isArray(answer.body) ? field(answer.body[0], "name") : undefined
    }
    expect(await nameOf("", "en")).toBe("Recyclables")
    expect(await nameOf("?language=ko", "en")).toBe("재활용폐기물")
    expect(await nameOf("?language=en", "ko")).toBe("Recyclables")
    const refused = await client(gateway, null).get("/api/v1/scan/categories?language=ja")
    expect([refused.status, field(refused.body, "code")]).toEqual([400, "INVALID_REQUEST"])
  })

  it("the categories are the four kinds of waste, open to everybody", async () => {
    const answer = await client(gateway, null).get("/api/v1/scan/categories")
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual(
      [
        ["recyclable", "재활용폐기물"],
        ["general", "일반폐기물"],
        ["food", "음식물폐기물"],
        ["bulky", "대형폐기물"]
      ].map(([id, name]) => ({
        id,
        name,
        display_name: expect.any(String),
        instructions: expect.arrayContaining([expect.any(String)])
      }))
    )
  })

  it("the models are those configured, with the default", async () => {
    expect((await client(gateway).get("/api/v1/scan/models")).body).toEqual({
      models: ["gpt-5.2", "gpt-5-mini", "simulated"],
      default: "simulated"
    })
    // not in the contract's list of open paths
    expect((await client(gateway, null).get("/api/v1/scan/models")).status).toBe(401)
  })
})

describe("cross-origin calls", () => {
  const allowed = "https://app.example"
  it("a preflight of an allowed origin may send credentials, the key and the last event id", async () => {
    const { headers, status } = await fetch(`${gateway.address}/api/v1/scan`, {
      method: "OPTIONS",
      headers: {
        origin: allowed,
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-idempotency-key,content-type"
      }
    })
    expect(status).toBe(204)
    expect(headers.get("access-control-allow-origin")).toBe(allowed)
    expect(headers.get("access-control-allow-credentials")).toBe("true")
    expect(headers.get("access-control-allow-methods")).toContain("DELETE")
    const names = headers.get("access-control-allow-headers")?.toLowerCase()
    for (const name of ["content-type", "x-idempotency-key", "last-event-id"]) expect(names).toContain(name)
  })

  it("an allowed origin may read a response with Location and Retry-After, and another origin may not", async () => {
    const to = (origin: string) => fetch(`${gateway.address}/api/v1/scan/categories`, { headers: { origin } })
    const { headers } = await to(allowed)
    expect(headers.get("access-control-allow-origin")).toBe(allowed)
    expect(headers.get("access-control-expose-headers")).toMatch(/location.*retry-after/i)
    expect(headers.get("vary")?.toLowerCase()).toContain("origin")
    expect((await to("https://evil.example")).headers.get("access-control-allow-origin")).toBeNull()
  })

  it("POST and DELETE with cookies are refused for a foreign origin and for null", async () => {
    const ann = client(gateway)
    const id = await ann.accepted()
    for (const origin of ["https://evil.example", "null", "https://app.example.evil.net"]) {
      const headers = { origin, cookie: "s_access=x" }
      const submitted = await ann.submit({ image_url: photo }, headers)
      const cancelled = await ann.remove(`/api/v1/scan/${id}`, headers)
      for (const answer of [submitted, cancelled]) {
        expect([answer.status, answer.body]).toEqual([403, { detail: expect.any(String), code: "ORIGIN_NOT_ALLOWED" }])
      }
    }
    for (const origin of [allowed, gateway.address]) {
      expect((await ann.submit({ image_url: photo }, { origin, cookie: "s_access=x" })).status).toBe(202)
    }
    expect((await ann.submit({ image_url: photo }, { origin: "https://evil.example" })).status).toBe(202)
  })

  it("POST and DELETE with cookies and without Origin are refused when the browser says that another site sent them", async () => {
    const ann = client(gateway)
    const id = await ann.accepted()
    const answers = (site: string) => {
      const headers = { "sec-fetch-site": site, cookie: "s_access=x" }
      return Promise.all([ann.submit({ image_url: photo }, headers), ann.remove(`/api/v1/scan/${id}`, headers)])
    }
    for (const site of ["cross-site", "same-site"]) {
      for (const { body, status } of await answers(site))
        expect([status, field(body, "code")]).toEqual([403, "ORIGIN_NOT_ALLOWED"])
    }
    for (const site of ["same-origin", "none"]) {
      expect((await answers(site)).map(({ status }) => status)).toEqual([202, 202])
    }
    const withOrigin = { "sec-fetch-site": "cross-site", origin: allowed, cookie: "s_access=x" }
    expect((await ann.submit({ image_url: photo }, withOrigin)).status).toBe(202)
  })

  it("an X-User-ID that is sent twice is refused, whatever it says", async () => {
    for (const sent of [
      ["ann", "bob"],
      ["ann", "ann"],
      ["", "ann"]
    ]) {
      const answer = await send(gateway.address, "/api/v1/users/me/characters", { headers: { "x-user-id": sent } })
      expect([answer.status, JSON.parse(answer.body)]).toEqual([
        401,
        { detail: "the header x-user-id was sent more than once", code: "UNAUTHORIZED" }
      ])
    }
  })

  it("a refusal to an allowed origin has the CORS headers, so that its page can read status and code", async () => {
    const path = "/api/v1/scan/9b2f0f7e-5b7f-4c63-9c52-000000000000/result"
    type Call = Omit<RequestInit, "headers"> & { readonly headers?: Readonly<Record<string, string>> }
    const refused: ReadonlyArray<readonly [status: number, target: string, init: Call]> = [
      [401, path, {}],
      [404, path, { headers: { "x-user-id": "ann" } }],
      [400, "/api/v1/scan/x/events", { headers: { "x-user-id": "ann" } }],
      [404, "/nothing", {}],
      [403, "/api/v1/internal/ops/mailboxes", {}],
      [400, "/api/v1/scan", { method: "POST", body: "{", headers: { "x-user-id": "ann" } }]
    ]
    for (const [status, target, init] of refused) {
      const answer = (origin: string) =>
        fetch(`${gateway.address}${target}`, { ...init, headers: { ...init.headers, origin } })
      const toOurs = await answer(allowed)
      expect([target, toOurs.status]).toEqual([target, status])
      expect(toOurs.headers.get("access-control-allow-origin")).toBe(allowed)
      expect(toOurs.headers.get("access-control-allow-credentials")).toBe("true")
      expect((await answer("https://evil.example")).headers.get("access-control-allow-origin")).toBeNull()
    }
  })
})

describe("paths beside the API", () => {
  it("an unknown path is 404 with detail and code, whatever the method", async () => {
    for (const [method, path] of [
      ["GET", "/nothing"],
      ["POST", "/api/v1/nothing"],
      ["DELETE", "/api/v2/scan"],
      ["GET", "/assets/nothing.js"],
      ["GET", "/assets/../layers.ts"],
      ["GET", "/assets/%2e%2e/layers.ts"],
      ["GET", "/api/v1/scan/%zz/result"],
      ["GET", "/%"]
    ] as const) {
      const answer = await read(await fetch(`${gateway.address}${path}`, { method }))
      expect([path, answer.status, answer.body]).toEqual([path, 404, { detail: expect.any(String), code: "NOT_FOUND" }])
    }
  })

  it("a query parameter given twice is 400 with detail and code", async () => {
    for (const path of [
      "/api/v1/stream?job_id=a&job_id=b",
      `/api/v1/scan/${randomUUID()}/events?last_event_id=1&last_event_id=2`
    ]) {
      const answer = await client(gateway).get(path)
      expect([answer.status, answer.body]).toEqual([400, { detail: expect.any(String), code: "INVALID_REQUEST" }])
    }
  })

  it("/healthz, /readyz and /metrics answer without a user", async () => {
    const nobody = client(gateway, null)
    expect((await nobody.get("/healthz")).status).toBe(200)
    expect((await nobody.get("/readyz")).body).toEqual({ status: "ready" })
    const metrics = await nobody.get("/metrics")
    expect(metrics.headers.get("content-type")).toContain("text/plain")
    expect(metrics.body).toContain("eco2_redis_commands_total")
  })

  it("/openapi.json describes every scan call, and /docs shows it", async () => {
    const nobody = client(gateway, null)
    const { body } = await nobody.get("/openapi.json")
    const paths = Object.keys(Object(field(body, "paths"))).filter(
      (path) => !/^\/(?:api\/v1\/internal|console)\//.test(path)
    )
    expect(paths.toSorted()).toEqual([
      "/api/v1/character/catalog",
      "/api/v1/images/upload/{channel}/{file}",
      "/api/v1/images/{channel}",
      "/api/v1/images/{channel}/{file}",
      "/api/v1/scan",
      "/api/v1/scan/categories",
      "/api/v1/scan/models",
      "/api/v1/scan/result/{job_id}",
      "/api/v1/scan/{job_id}",
      "/api/v1/scan/{job_id}/events",
      "/api/v1/scan/{job_id}/feedback",
      "/api/v1/scan/{job_id}/result",
      "/api/v1/stream",
      "/api/v1/users/me/characters",
      "/api/v1/users/me/characters/{name}/ownership",
      "/api/v1/users/me/data"
    ])
    const docs = await nobody.get("/docs")
    expect(docs.headers.get("content-type")).toContain("text/html")
  })

  const nowhere = "00000000-0000-4000-8000-000000000000"
  const calls: ReadonlyArray<readonly [answer: string, described: string, path: string, init: RequestInit]> = [
    ["400 INVALID_JOB_ID", "GET /api/v1/scan/{job_id}/events", "/api/v1/scan/nope/events", {}],
    ["400 INVALID_JOB_ID", "GET /api/v1/stream", "/api/v1/stream", {}],
    ["400 INVALID_REQUEST", "GET /api/v1/stream", `/api/v1/stream?job_id=${nowhere}&job_id=${nowhere}`, {}],
    ["404 RESULT_NOT_FOUND", "GET /api/v1/scan/{job_id}/events", `/api/v1/scan/${nowhere}/events`, {}],
    ["404 RESULT_NOT_FOUND", "GET /api/v1/scan/{job_id}/result", "/api/v1/scan/nope/result", {}],
    ["404 RESULT_NOT_FOUND", "GET /api/v1/scan/result/{job_id}", `/api/v1/scan/result/${nowhere}`, {}],
    ["404 RESULT_NOT_FOUND", "DELETE /api/v1/scan/{job_id}", "/api/v1/scan/nope", { method: "DELETE" }],
    ["400 INVALID_JSON", "POST /api/v1/scan", "/api/v1/scan", { method: "POST", body: "{" }],
    [
      "400 INVALID_IDEMPOTENCY_KEY",
      "POST /api/v1/scan",
      "/api/v1/scan",
      { method: "POST", body: "{}", headers: { "x-idempotency-key": "" } }
    ],
    [
      "403 ORIGIN_NOT_ALLOWED",
      "DELETE /api/v1/scan/{job_id}",
      "/api/v1/scan/nope",
      { method: "DELETE", headers: { cookie: "a=b", origin: "https://evil.example" } }
    ],
    ["503 UNAVAILABLE", "GET /api/v1/users/me/characters", "/api/v1/users/me/characters", {}],
    ["403 FORBIDDEN", "GET /api/v1/internal/ops/jobs", "/api/v1/internal/ops/jobs?limit=1&limit=2", {}],
    ["403 FORBIDDEN", "POST /api/v1/internal/blacklist", "/api/v1/internal/blacklist", { method: "POST", body: "{" }]
  ]
  it.each(calls)(
    "a client meets %s of %s as the description says, and 401 before where nobody is named",
    async (...call) => {
      const [answer, described, path, init] = call
      const [method = "", template = ""] = described.split(" ")
      const { body } = await client(gateway).get("/openapi.json")
      const ask = async (user: Record<string, string>) => {
        const headers = { ...user, ...Object(init.headers) }
        const response = await fetch(`${gateway.address}${path}`, { ...init, headers })
        return `${response.status} ${field(await response.json(), "code")}`
      }
      expect(await ask({ "x-user-id": "ann" })).toBe(answer)
      expect(refusals(body, method, template)).toEqual(expect.arrayContaining([answer, "500 INTERNAL"]))
      expect(await ask({})).toBe(path.startsWith("/api/v1/internal/") ? answer : "401 UNAUTHORIZED")
    }
  )

  it("the API's page allows scripts of this site only, and no frame around it", async () => {
    const { headers } = await fetch(`${gateway.address}/docs`)
    const policy = headers.get("content-security-policy") ?? ""
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("default-src 'self'")
    expect(policy).toContain("frame-ancestors 'none'")
  })

  it("the web page's policy allows no script from elsewhere and none inline", async () => {
    const { body, headers, status } = await client(gateway, null).get("/")
    expect(status).toBe(200)
    const policy = headers.get("content-security-policy") ?? ""
    const directives = new Map(
      policy.split("; ").map((part) => [part.split(" ")[0], part.split(" ").slice(1)] as const)
    )
    for (const name of ["default-src", "script-src", "style-src", "connect-src"]) {
      expect([name, directives.get(name)]).toEqual([name, ["'self'"]])
    }
    expect(directives.get("frame-ancestors")).toEqual(["'none'"])
    expect(headers.get("x-content-type-options")).toBe("nosniff")
    expect(body).not.toMatch(/<script(?![^>]*src=)|<style|\son\w+=|style="/)
    for (const [, path] of String(body).matchAll(/(?:src|href)="(\/(?:assets\/|manifest)[^"]+)"/g)) {
      expect([path, (await fetch(`${gateway.address}${path}`)).status]).toEqual([path, 200])
    }
  })
})
