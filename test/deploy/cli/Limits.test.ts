/** `eco2 limits`, `eco2 breakers` and `eco2 topics` with their calls, on a real gateway and Redis. */
import { afterAll, beforeAll, expect, it } from "vitest"
import { CircuitBreaker, CoreConfig, Limit, RateLimiter, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import { Duration, Effect, Layer } from "effect"
import { simulatedOnly, start } from "../../gateway/Serving.ts"
import type { Serving } from "../../gateway/Serving.ts"
import { runWith } from "./Operating.ts"
import type { Said } from "./Operating.ts"

const secret = "only operators know this"
let redis: RedisServer.RedisServer
let gateway: Serving
let eco2: (...words: ReadonlyArray<string>) => Promise<Said>

beforeAll(async () => {
  redis = await RedisServer.start()
  gateway = await start("gateway", {
    ...simulatedOnly,
    AUTH_MODE: "header",
    REDIS_URL: redis.url,
    INTERNAL_SECRET: secret
  })
  eco2 = runWith({ ECO2_URL: gateway.address, INTERNAL_SECRET: secret })
})
afterAll(async () => {
  await gateway.stop()
  await redis.stop()
})

const pause = (name: string, length: Duration.Input) =>
  Effect.runPromise(
    RateLimiter.RateLimiter.use((limiter) => limiter.pause(Limit.make(name, {}), length)).pipe(
      Effect.provide(Worker.limits.pipe(Layer.provide([RedisClient.layerUrl(redis.url), CoreConfig.layerWith({})])))
    )
  )

it("limits are neither shown nor resumed without the secret", async () => {
  for (const [method, path] of [
    ["GET", "/limits"],
    ["POST", "/limits/model%2Fgpt-5.2/resume"]
  ]) {
    const response = await fetch(`${gateway.address}/api/v1/internal/ops${path}`, { method: method ?? "" })
    expect([response.status, await response.json()]).toEqual([403, expect.objectContaining({ code: "FORBIDDEN" })])
  }
})

it("eco2 limits lists a model's pause and lifts it, and an unknown limit is not found", async () => {
  expect((await eco2("limits", "list")).out).toContain("no limit is in use or paused")
  await pause("model/gpt-5.2", "10 minutes")
  const shown = await eco2("limits", "list")
  expect(shown).toMatchObject({ code: 0, err: "" })
  expect(shown.out).toMatch(/model\/gpt-5\.2 +(10m|9m)/)
  expect(await eco2("limits", "resume", "model/gpt-5.2")).toMatchObject({ code: 0, err: "" })
  const after = JSON.parse((await eco2("limits", "list", "--json")).out)
  expect(after).toMatchObject({ limits: [{ name: "model/gpt-5.2", paused_ms: 0 }], complete: true })
  expect((await eco2("limits", "resume", "model/other")).code).toBe(3)
})

it("eco2 breakers opens and closes a breaker, refuses a wrong duration, and does not find an unknown one", async () => {
  expect((await eco2("breakers", "list")).out).toBe("no process uses a breaker")
  const breaker = CircuitBreaker.make("openai/gpt-5.2")
  const call = CircuitBreaker.CircuitBreaker.use((service) => service.guard(breaker, Effect.void, () => "well"))
  await Effect.runPromise(
    call.pipe(
      Effect.provide(Worker.limits.pipe(Layer.provide([RedisClient.layerUrl(redis.url), CoreConfig.layerWith({})])))
    )
  )
  expect((await eco2("breakers", "open", "openai/gpt-5.2", "--for", "2h")).out).toContain("is open for 2h")
  expect((await eco2("breakers", "list")).out).toMatch(/^openai\/gpt-5\.2 +open \(by an operator\) +2h/m)
  expect((await eco2("breakers", "open", "openai/gpt-5.2", "--for", "soon")).code).toBe(2)
  expect((await eco2("breakers", "open", "nobody")).code).toBe(3)
  expect((await eco2("breakers", "close", "openai/gpt-5.2")).code).toBe(0)
  expect((await eco2("breakers", "list")).out).toMatch(/^openai\/gpt-5\.2 +closed +-/m)
})

it("eco2 topics lists the topics, one with its change of a policy", async () => {
  await eco2("policy", "set", "scan.vision", "--attempts", "7")
  const { code, out } = await eco2("topics")
  expect(code).toBe(0)
  expect(out).toMatch(/^TOPIC +EVENTS +IN LOG +FIELDS +LAST +OLDEST$/m)
  expect(out).toMatch(/^policy +1 +1 +1 +\ds +\ds$/m)
  expect(JSON.parse((await eco2("topics", "--json")).out)).toHaveLength(5)
})
