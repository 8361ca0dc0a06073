/** `eco2 doctor` on models: what is offered and what is served, what ends or has no certain price, and, with --probe, what answers. */
import { RedisServer } from "@eco2/core/testing"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import type { Finding } from "../../../deploy/cli/doctor/Finding.ts"
import * as Serving from "../../gateway/Serving.ts"
import { FakeModelServer } from "../../harness/FakeModelServer.ts"
import { runWith } from "./Operating.ts"

let redis: RedisServer.RedisServer
let models: FakeModelServer
beforeAll(async () => {
  redis = await RedisServer.start()
  models = await FakeModelServer.start()
})
beforeEach(() => models.reset())
afterAll(async () => {
  await models.close()
  await redis.stop()
})

const env = (names: string) => ({
  REDIS_URL: redis.url,
  OPENAI_MODELS: names,
  OPENAI_API_KEY: "sk-canary",
  OPENAI_BASE_URL: `${models.url}/v1`,
  OPENAI_API: "chat",
  GEMINI_MODELS: "gemini-2.5-pro",
  GEMINI_API_KEY: "g-canary",
  GEMINI_BASE_URL: models.url
})
const doctor = async (more: Readonly<Record<string, string>>, ...words: ReadonlyArray<string>) => {
  const { code, out } = await runWith(more)("doctor", "--json", ...words)
  const { findings } = JSON.parse(out) as { readonly findings: ReadonlyArray<Finding> }
  return { code, out, of: (check: string) => findings.find((finding) => finding.check === check) }
}

describe("the doctor on models", () => {
  it("models that are offered and served by no worker are a failure; others are said; before a worker runs, that is said", async () => {
    const gateway = await Serving.start("gateway", { ...env("gpt-5.2"), AUTH_MODE: "header" })
    expect((await doctor(env("gpt-5.2"))).of("models.served")).toMatchObject({
      level: "warn",
      found: "no worker has said which models it serves"
    })
    const worker = await Serving.start("scan-worker", env("gpt-5.2,qwen3-vl"))
    const same = await Serving.until(
      async () => (await doctor(env("gpt-5.2,qwen3-vl"))).of("models.served"),
      (finding) => finding?.level === "ok"
    )
    expect(same?.found).toBe("offered and served: gpt-5.2, qwen3-vl, gemini-2.5-pro")
    const { code, of } = await doctor(env("gpt-5.2,gpt-9"))
    expect([code, of("models.served")]).toEqual([
      1,
      {
        check: "models.served",
        level: "fail",
        found: "offered here, and served by no worker: gpt-9; workers also serve qwen3-vl, which is not offered here",
        advice: expect.stringContaining("OPENAI_MODELS")
      }
    ])
    await worker.stop()
    await gateway.stop()
  })

  it("models that end, prices that are not certain and those that nobody knows are warnings, and no model is asked", async () => {
    const { of } = await doctor(env("gpt-5.2,gpt-5-mini,home-made"))
    expect(of("models.ending")).toMatchObject({
      level: "warn",
      found: expect.stringMatching(
        /^gpt-5-mini end(s|ed) on 2026-12-11, gemini-2.5-pro end(s|ed) on .* \(as others report\)/
      )
    })
    expect(of("models.prices")).toMatchObject({ level: "warn", found: expect.stringContaining("gpt-5.2, gpt-5-mini") })
    expect(of("models.unpriced")).toMatchObject({ level: "warn", found: "no price is known: home-made" })
    expect(of("models.probe")).toBeUndefined()
    const priced = { ...env("gpt-5.2"), MODEL_PRICES: "gpt-5.2=1/1/1;gemini-2.5-pro=1/1/1" }
    expect((await doctor(priced)).of("models.prices")).toBeUndefined()
    expect(models.calls).toEqual([])
  })

  it("each model is asked by --probe one small question; what came back is said, and that each is a paid call", async () => {
    models.setReply("answer", { ok: true })
    const { of, out } = await doctor(env("gpt-5.2"), "--probe")
    expect(of("models.probe")).toMatchObject({
      level: "ok",
      found: "asked 2 models a question each: a paid call for each"
    })
    expect(of("model.gpt-5.2")).toMatchObject({
      level: "ok",
      found: expect.stringMatching(
        /^answered as asked after \d+\.\d s, with 1200 tokens in and 150 out, for \$0\.002625$/
      )
    })
    expect(of("model.gemini-2.5-pro")).toMatchObject({ level: "ok" })
    expect(models.calls.map(({ model }) => model).toSorted()).toEqual(["gemini-2.5-pro", "gpt-5.2"])
    for (const { body } of models.calls) expect(JSON.stringify(body).length).toBeLessThan(1_000)
    expect(out).not.toContain("canary")
  })

  it("a model that refuses, or answers something else, is a failure of --probe, with what it said and its request", async () => {
    const body = JSON.stringify({ error: { message: "You exceeded your current quota", code: "insufficient_quota" } })
    models.next("answer", { _tag: "Http", status: 429, body, headers: { "x-request-id": "req-7" } })
    const { code, of } = await doctor({ ...env("gpt-5.2"), GEMINI_MODELS: "" }, "--probe")
    expect([code, of("model.gpt-5.2")]).toEqual([
      1,
      expect.objectContaining({
        level: "fail",
        found: expect.stringMatching(
          /^ModelAccountExhausted after .*; it said: You exceeded your current quota \(request req-7\)$/
        )
      })
    ])
    models.next("answer", { _tag: "Text", text: "sure" })
    const prose = await doctor({ ...env("gpt-5.2"), GEMINI_MODELS: "" }, "--probe")
    expect(prose.of("model.gpt-5.2")).toMatchObject({ level: "fail", found: expect.stringContaining("it said: sure") })
  })

  it("a server that takes no schema is asked by --probe in the next form, and answers", async () => {
    const body = JSON.stringify({ error: { message: "response_format json_schema is not supported" } })
    models.next("answer", { _tag: "Http", status: 400, body })
    models.setReply("answer", { ok: true })
    const { of } = await doctor({ ...env("home-made"), GEMINI_MODELS: "" }, "--probe")
    expect(of("model.home-made")).toMatchObject({ level: "ok", found: expect.stringContaining("at an unknown price") })
    expect(models.calls).toHaveLength(2)
  })

  it("no model is asked by --probe where a key is missing, and the doctor says why", async () => {
    const { of } = await doctor({ ...env("gpt-5.2"), GEMINI_API_KEY: "" }, "--probe")
    expect(of("models.probe")).toMatchObject({ level: "warn", found: expect.stringContaining("GEMINI_API_KEY") })
    expect(models.calls).toEqual([])
  })
})
