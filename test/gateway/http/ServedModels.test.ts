/**
 * A rollout that adds or removes a model: gateways offer what workers serve, and a scan whose model its worker does not know
 * waits for one that does.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { FakeModelServer } from "../../harness/FakeModelServer.ts"
import { client, dataUrl, field, tinyPng } from "../ScanClient.ts"
import type { Client as ScanClient } from "../ScanClient.ts"
import { start, until } from "../Serving.ts"
import type { Environment, Serving } from "../Serving.ts"

describe("models that are configured and models that are served", () => {
  let redis: RedisServer.RedisServer
  let models: FakeModelServer
  let gateway: Serving
  let ann: ScanClient
  const env = (names: string): Environment => ({
    REDIS_URL: redis.url,
    AUTH_MODE: "header",
    OPENAI_MODELS: names,
    OPENAI_API_KEY: "sk-test",
    OPENAI_BASE_URL: `${models.url}/v1`,
    GEMINI_MODELS: ""
  })
  const offered = async () => (await ann.get("/api/v1/scan/models")).body

  beforeAll(async () => {
    redis = await RedisServer.start()
    models = await FakeModelServer.start()
    // the gateway is rolled out first
    gateway = await start("gateway", env("model-b,model-a"))
    ann = client(gateway)
  })
  afterAll(async () => {
    await gateway.stop()
    await models.close()
    await redis.stop()
  })

  it("a gateway offers what is configured while no worker has spoken, then what workers serve, and waits for the rest", async () => {
    expect(await offered()).toEqual({ models: ["model-b", "model-a"], default: "model-b" })
    const old = await start("scan-worker", env("model-a"))
    // the default is not served yet: scans that name none get one that is
    await until(offered, (body) => JSON.stringify(body) === '{"models":["model-a"],"default":"model-a"}')
    const usual = await ann.accepted({ image_url: dataUrl(tinyPng) })
    expect(field(field((await ann.finished(usual)).body, "metadata"), "llm_model")).toBe("model-a")

    // named all the same: the old worker does not know it, and puts it off
    const early = await ann.accepted({ image_url: dataUrl(tinyPng), model: "model-b" })
    await until(
      () => Promise.resolve(old.logs),
      (logs) => logs.some((line) => line.msg === "stage will be retried" && line.reason === "ModelNotServed")
    )
    const answer = await ann.result(early)
    expect([answer.status, field(answer.body, "current_stage")]).toEqual([202, "vision"])
    const fresh = await start("scan-worker", env("model-b,model-a"))
    await old.stop()
    const { body } = await ann.finished(early)
    expect([field(body, "status"), field(field(body, "metadata"), "llm_model")]).toEqual(["completed", "model-b"])
    await until(offered, (now) => JSON.stringify(now) === '{"models":["model-b","model-a"],"default":"model-b"}')
    await fresh.stop()
  })

  it("a scan whose model no worker serves within MODEL_PATIENCE fails, and says so", async () => {
    const worker = await start("scan-worker", { ...env("model-a"), MODEL_PATIENCE: "100 millis" })
    const id = await ann.accepted({ image_url: dataUrl(tinyPng), model: "model-b", user_input: "another question" })
    const { body } = await ann.finished(id)
    expect([field(body, "status"), field(field(body, "error"), "code")]).toEqual(["failed", "MODEL_REFUSED"])
    await worker.stop()
  })
})
