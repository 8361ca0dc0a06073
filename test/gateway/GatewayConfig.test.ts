/** An invalid setting stops the process at once, with one line that names the variable. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { launch } from "../harness/Process.ts"
import { bySecret } from "../harness/TokenIssuer.ts"
import { client, field, photo } from "./ScanClient.ts"
import { simulatedOnly, start } from "./Serving.ts"

let redis: RedisServer.RedisServer
beforeAll(async () => {
  redis = await RedisServer.start()
})
afterAll(() => redis.stop())

const wrong: ReadonlyArray<readonly [name: string, env: Readonly<Record<string, string>>]> = [
  ["JWT_SECRET and JWKS_URL", {}],
  ["JWT_SECRET and JWKS_URL", { AUTH_MODE: "" }],
  ["JWT_SECRET and JWKS_URL", { ...bySecret, JWT_SECRET: "" }],
  ["JWT_SECRET and JWKS_URL", { ...bySecret, JWKS_URL: "https://issuer.example/keys" }],
  ["JWT_SECRET", { ...bySecret, JWT_SECRET: "31 bytes, and that is too short" }],
  ["JWKS_URL", { ...bySecret, JWT_SECRET: "", JWKS_URL: "issuer.example/keys" }],
  ["JWT_ISSUER", { ...bySecret, JWT_ISSUER: "" }],
  ["JWT_AUDIENCE", { ...bySecret, JWT_AUDIENCE: "" }],
  ["BLACKLIST_MAX_AGE", { ...bySecret, BLACKLIST_MAX_AGE: "never" }],
  ["AUTH_MODE", { AUTH_MODE: "everybody" }],
  ["AUTH_MODE", { AUTH_MODE: "none", HOST: "0.0.0.0" }],
  ["AUTH_MODE", { AUTH_MODE: "none", HOST: "::" }],
  ["INSECURE_NONE", { AUTH_MODE: "none", HOST: "0.0.0.0", INSECURE_NONE: "perhaps" }],
  ["IMAGE_HOSTS", { AUTH_MODE: "header", IMAGE_HOSTS: "https://cdn.example.com" }],
  ["CORS_ORIGINS", { AUTH_MODE: "header", CORS_ORIGINS: "*" }],
  ["CORS_ORIGINS", { AUTH_MODE: "header", CORS_ORIGINS: "https://app.example/" }],
  ["SIGN_IN_URL", { AUTH_MODE: "header", SIGN_IN_URL: "javascript:alert(1)" }],
  ["SIGN_IN_URL", { AUTH_MODE: "header", SIGN_IN_URL: "//evil.example" }],
  ["MAX_VIEWERS", { AUTH_MODE: "header", MAX_VIEWERS: "0" }],
  ["VIEW_TIMEOUT", { AUTH_MODE: "header", VIEW_TIMEOUT: "a while" }],
  ["KEEPALIVE", { AUTH_MODE: "header", KEEPALIVE: "1 milli" }],
  ["PORT", { AUTH_MODE: "header", PORT: "65536" }],
  ["PARTITIONS", { AUTH_MODE: "header", PARTITIONS: "0" }],
  ["LEASE", { AUTH_MODE: "header", LEASE: "soon" }],
  ["JOB_TTL", { AUTH_MODE: "header", JOB_TTL: "-1" }],
  ["MAILBOX_CAPACITY", { AUTH_MODE: "header", MAILBOX_CAPACITY: "many" }],
  ["REDIS_URL", { AUTH_MODE: "header", REDIS_URL: "http://127.0.0.1" }],
  ["DEFAULT_MODEL", { AUTH_MODE: "header", DEFAULT_MODEL: "gpt-1" }],
  ["OPENAI_MODELS", { AUTH_MODE: "header", SIMULATED_MODEL: "false" }]
]

describe("the gateway's settings", () => {
  for (const [name, env] of wrong) {
    it(`a gateway with ${JSON.stringify(env)} refuses to start and names ${name}`, async () => {
      await expect(start("gateway", { ...simulatedOnly, REDIS_URL: redis.url, ...env })).rejects.toThrow(name)
    })
  }

  it("a gateway's process with a wrong setting logs one fatal line without the password, and exits with 1", async () => {
    const role = launch("gateway", {
      ...simulatedOnly,
      AUTH_MODE: "header",
      REDIS_URL: "redis://:hunter2@127.0.0.1:1/x?"
    })
    expect((await role.exited).code).toBe(1)
    expect(role.lines).toHaveLength(1)
    expect(role.logs[0]).toMatchObject({ level: "fatal", msg: expect.stringContaining("REDIS_URL") })
    expect(role.output()).not.toContain("hunter2")
  })

  it("a JWKS_URL with a password is refused at start, and no log line shows the password", async () => {
    const { JWT_SECRET: _, ...rest } = bySecret
    for (const role of ["gateway", "authz"] as const) {
      const process = launch(role, {
        ...simulatedOnly,
        ...rest,
        REDIS_URL: redis.url,
        JWKS_URL: "https://ann:hunter2@issuer.example/keys"
      })
      expect((await process.exited).code).toBe(1)
      expect(process.logs[0]).toMatchObject({ level: "fatal", msg: expect.stringContaining("JWKS_URL") })
      expect(process.output()).not.toMatch(/hunter2|ann:/)
    }
  })

  it("X-User-ID is believed with AUTH_MODE=none, and a caller without one is the demo user", async () => {
    const gateway = await start("gateway", { ...simulatedOnly, REDIS_URL: redis.url, AUTH_MODE: "none" })
    const id = await client(gateway, null).accepted({ image_url: photo })
    expect((await client(gateway, null).result(id)).status).toBe(202)
    expect((await client(gateway, "demo").result(id)).status).toBe(202)
    const other = await client(gateway, "ann").result(id)
    expect([other.status, field(other.body, "code")]).toEqual([404, "RESULT_NOT_FOUND"])
    await gateway.stop()
  })
})

describe("authz's settings", () => {
  for (const [name, env] of [
    ["JWT_SECRET and JWKS_URL", {}],
    ["JWT_ISSUER", { ...bySecret, JWT_ISSUER: "" }]
  ] as const) {
    it(`authz with ${JSON.stringify(env)} refuses to start and names ${name}`, async () => {
      await expect(start("authz", { REDIS_URL: redis.url, ...env })).rejects.toThrow(name)
    })
  }
})

describe("settings that contradict each other", () => {
  for (const role of ["gateway", "scan-worker"] as const) {
    for (const [stage, env] of [
      ["SCAN_VISION_TIMEOUT", { MODEL_TIMEOUT: "4 minutes", SCAN_VISION_TIMEOUT: "20 seconds" }],
      ["SCAN_ANSWER_TIMEOUT", { MODEL_TIMEOUT: "2 minutes", SCAN_ANSWER_TIMEOUT: "3 minutes" }],
      ["SCAN_ANSWER_TIMEOUT", { SCAN_ANSWER_TIMEOUT: "60 seconds" }],
      // a call and its repair
      ["SCAN_VISION_TIMEOUT", { SCAN_VISION_TIMEOUT: "2 minutes" }],
      // of each model of the chain
      [
        "SCAN_ANSWER_TIMEOUT",
        {
          OPENAI_BASE_URL: "http://own",
          OPENAI_MODELS: "a,b",
          SCAN_ANSWER_MODELS: "a,b",
          SCAN_ANSWER_TIMEOUT: "3 minutes"
        }
      ]
    ] as const) {
      it(`a ${role} with ${JSON.stringify(env)} refuses to start, because ${stage} leaves no time for its calls`, async () => {
        const started = start(role, { ...simulatedOnly, REDIS_URL: redis.url, AUTH_MODE: "header", ...env })
        await expect(started).rejects.toThrow(new RegExp(`${stage} is .*MODEL_TIMEOUT`))
      })
    }
  }
})

describe("a worker's settings", () => {
  for (const [name, env] of [
    ["OPENAI_API_KEY", { OPENAI_MODELS: "gpt-5.2" }],
    ["GEMINI_API_KEY", { GEMINI_MODELS: "gemini-2.5-pro" }],
    ["SCAN_VISION_CONCURRENCY", { SCAN_VISION_CONCURRENCY: "0" }],
    ["MODEL_TIMEOUT", { MODEL_TIMEOUT: "1 hour" }]
  ] as const) {
    it(`a scan-worker with ${JSON.stringify(env)} refuses to start and names ${name}`, async () => {
      await expect(start("scan-worker", { ...simulatedOnly, REDIS_URL: redis.url, ...env })).rejects.toThrow(name)
    })
  }
})
