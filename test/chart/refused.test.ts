/** Values that cannot work are refused before anything is installed, with a message that says what to do. */
import { CoreConfig } from "@eco2/core/client"
import { ConfigProvider, Effect } from "effect"
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { GatewayConfig } from "../../packages/gateway/src/GatewayConfig.ts"
import * as Chart from "./Chart.ts"
import type { Tree } from "./Chart.ts"

const refused: ReadonlyArray<readonly [string, Tree, RegExp]> = [
  ["a value nobody knows", { replicaCount: 3 }, /additional properties 'replicaCount' not allowed/],
  ["a setting nobody knows", { settings: { USER_CONCURENCY: 5 } }, /'USER_CONCURENCY' not allowed/],
  ["a role nobody knows", { roles: { worker: {} } }, /'worker' not allowed/],
  ["an unknown value of a role", { roles: { gateway: { replica: 3 } } }, /'replica' not allowed/],
  ["an unknown secret", { secrets: { values: { OPENAI_KEY: "x" } } }, /OPENAI_KEY/],
  ["a secret among the settings", { settings: { OPENAI_API_KEY: "x" } }, /'OPENAI_API_KEY' not allowed/],
  ["a word for a number", { settings: { USER_CONCURRENCY: "many" } }, /USER_CONCURRENCY/],
  ["a negative number", { settings: { USER_CONCURRENCY: -1 } }, /USER_CONCURRENCY/],
  ["a wrong duration", { settings: { SHUTDOWN_GRACE: "soon" } }, /SHUTDOWN_GRACE/],
  ["a wrong size", { settings: { IMAGE_MEMORY: "lots" } }, /IMAGE_MEMORY/],
  ["an unknown word of a setting", { settings: { LOG_LEVEL: "loud" } }, /LOG_LEVEL/],
  ["AUTH_MODE=none", { settings: { AUTH_MODE: "none" } }, /AUTH_MODE/],
  ["a share above one", { settings: { SIMULATED_FAILURE_RATE: 2 } }, /SIMULATED_FAILURE_RATE/],
  ["no replicas of an autoscaled role", { roles: { "scan-worker": { autoscaling: { min: 0 } } } }, /minimum/],
  ["a Redis URL with a password", { redis: { url: "redis://:secret@host" } }, /redis.*url/s],
  ["a URL that is not Redis's", { redis: { url: "http://host" } }, /redis.*url/s],
  ["an unknown parameter of the Redis URL", { redis: { url: "redis://host?db=7" } }, /redis.*url/s],
  ["a prefix with a brace", { settings: { KEY_PREFIX: "{eco2}" } }, /KEY_PREFIX/],
  ["files of two sources", { files: [{ secret: "a", configMap: "b", path: "/etc/eco2" }] }, /files/],
  ["a port above 65535", { database: { port: 70_000 } }, /port/],
  ["a wrong digest", { image: { digest: "latest" } }, /digest/],
  ["an image with its tag in the name", { image: { repository: "eco2:latest" } }, /repository/],
  ["an unknown autoscaler", { autoscaling: { kind: "vpa" } }, /kind/],
  ["a URL for a host", { ingress: { hosts: ["https://eco2.example"] } }, /hosts/],
  ["text for a switch", { tests: { enabled: "yes" } }, /enabled/],
  ["header without a mesh", { settings: { AUTH_MODE: "header" } }, /set istio\.enabled=true, or trustedProxy=true/],
  [
    "header with Istio and no authz",
    { settings: { AUTH_MODE: "header" }, istio: { enabled: true }, roles: { authz: { enabled: false } } },
    /needs roles\.authz\.enabled/
  ],
  ["no issuer", { settings: { JWT_ISSUER: null } }, /set settings\.JWT_ISSUER and settings\.JWT_AUDIENCE/],
  [
    "no key to check tokens with",
    { secrets: { values: { JWT_SECRET: null } } },
    /set settings\.JWKS_URL, or the secret JWT_SECRET/
  ],
  ["two keys to check tokens with", { settings: { JWKS_URL: "https://issuer.example/keys" } }, /exactly one of them/],
  [
    "scans without workers",
    { roles: { "scan-worker": { enabled: false } } },
    /roles\.scan-worker\.enabled is false while scans are on: scans would wait for ever; .*settings\.INSTALLATION/
  ],
  [
    "scans without characters",
    { roles: { "character-match": { enabled: false } } },
    /roles\.character-match\.enabled is false while scans are on: each scan would wait ten seconds/
  ],
  [
    "scans whose rewards nobody saves",
    { roles: { "character-worker": { enabled: false } } },
    /roles\.character-worker\.enabled is false while scans are on: rewards would pile up unseen/
  ],
  [
    "workers without a gateway",
    { roles: { gateway: { enabled: false } } },
    /roles\.gateway\.enabled is false while scans are on: nobody could submit/
  ],
  [
    "more connections than PostgreSQL has",
    { database: { maxConnections: 100 } },
    /may open 1[0-9]0 connections at their largest .*database\.maxConnections is 100/
  ],
  ["no Redis", { redis: { url: "" } }, /no Redis: set redis\.url/],
  ["two Redis", { redis: { bundled: { enabled: true } } }, /two Redis/],
  [
    "a Redis URL beside a secret one",
    { secrets: { values: { REDIS_URL: "redis://:x@other" } } },
    /two Redis: the secret/
  ],
  ["no database", { database: { host: "" } }, /no PostgreSQL: set database\.host/],
  ["two databases", { database: { bundled: { enabled: true } } }, /two PostgreSQL/],
  [
    "a bundled database without a password",
    { database: { host: "", bundled: { enabled: true } }, secrets: { values: { DATABASE_PASSWORD: null } } },
    /needs a password/
  ],
  ["no model", { secrets: { values: { OPENAI_API_KEY: null } } }, /no model: set the secret OPENAI_API_KEY/],
  [
    "models without their key",
    { settings: { GEMINI_MODELS: "gemini-2.5-pro" } },
    /the secret GEMINI_API_KEY is missing/
  ],
  [
    "two places for secrets",
    { secrets: { existing: "other" } },
    /secrets\.existing and secrets\.values or secrets\.external are both set/
  ],
  ["an Ingress without a host", { ingress: { enabled: true } }, /ingress\.hosts is empty/],
  ["an HTTPRoute nobody routes to", { httpRoute: { enabled: true } }, /httpRoute\.parentRefs is empty/],
  [
    "External Secrets without a store",
    {
      secrets: {
        values: null,
        external: {
          enabled: true,
          data: { JWT_SECRET: { key: "a" }, DATABASE_PASSWORD: { key: "b" }, OPENAI_API_KEY: { key: "c" } }
        }
      }
    },
    /secrets\.external\.store is empty/
  ]
]

describe.skipIf(Chart.missing)("the chart refuses", () => {
  it.each(refused)("the chart refuses %s", async (_, changes, message) => {
    const { code, errors } = await Chart.template("default", changes)
    expect(code, "it was taken").not.toBe(0)
    expect(errors).toMatch(message)
  })

  it.each([
    ["gateway", {}, 612],
    ["gateway", { UPLOAD_MEMORY: "1 GiB", SUBMIT_MEMORY: "0 MiB" }, 1_364],
    ["scan-worker", {}, 1_196],
    ["scan-worker", { IMAGE_MEMORY: 67_108_864 }, 748],
    ["scan-worker", { IMAGE_MEMORY: "1.5 GiB" }, 11_052]
  ])(
    "a memory limit of %s below what %j need is refused, and exactly that is accepted",
    async (role, settings, need) => {
      const limited = (mebibytes: number): Tree => ({
        settings,
        roles: { [role]: { resources: { limits: { memory: `${mebibytes}Mi` } } } }
      })
      expect(await Chart.template("default", limited(need))).toMatchObject({ code: 0 })
      const { code, errors } = await Chart.template("default", limited(need - 1))
      expect([code === 0, errors]).toEqual([false, expect.stringContaining(`needs ${need} MiB`)])
    }
  )

  it.each([
    [{ SCAN_VISION_TIMEOUT: "20 seconds" }, "SCAN_VISION_TIMEOUT"],
    [
      { MODEL_TIMEOUT: 90, SCAN_ANSWER_TIMEOUT: "180 seconds", SCAN_VISION_TIMEOUT: "5 minutes" },
      "SCAN_ANSWER_TIMEOUT"
    ],
    [{ MODEL_TIMEOUT: "4 minutes", SCAN_VISION_TIMEOUT: "3 minutes" }, "SCAN_VISION_TIMEOUT"],
    [{ SCAN_VISION_MODELS: "gpt-5.2,gpt-5-mini", SCAN_VISION_TIMEOUT: "3 minutes" }, "SCAN_VISION_TIMEOUT"]
  ])("settings %j, with which a model call could outlive its stage, are refused", async (settings, named) => {
    const { code, errors } = await Chart.template("default", { settings })
    expect(code, "it was taken").not.toBe(0)
    expect(errors).toContain(`${named} is `)
    expect(errors).toContain("MODEL_TIMEOUT")
  })

  it("the chart's idea of a setting's default is the process's own", async () => {
    const { imageMemory } = await Effect.runPromise(
      Effect.provide(
        CoreConfig.useSync((config) => config),
        CoreConfig.layerWith({})
      )
    )
    const template = readFileSync(new URL("../../deploy/helm/eco2/templates/_settings.tpl", import.meta.url), "utf8")
    expect(template).toContain(`"IMAGE_MEMORY" "${imageMemory / 1_048_576} MiB"`)
    const { submitMemory, uploadMemory } = await Effect.runPromise(
      GatewayConfig.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} }))))
    )
    expect(template).toContain(
      `"UPLOAD_MEMORY" "${uploadMemory / 1_048_576} MiB" "SUBMIT_MEMORY" "${submitMemory / 1_048_576} MiB"`
    )
  })

  it("models at a server of one's own need no key, and models at OpenAI do", async () => {
    const at = (OPENAI_BASE_URL: string): Tree => ({
      settings: { OPENAI_MODELS: "qwen3-vl:8b", OPENAI_BASE_URL },
      secrets: { values: { OPENAI_API_KEY: null } }
    })
    expect(await Chart.template("default", at("http://ollama.models:11434/v1"))).toMatchObject({ code: 0 })
    const { errors } = await Chart.template("default", at("https://api.openai.com/v1"))
    expect(errors).toContain("OPENAI_API_KEY")
  })

  it("AUTH_MODE=header is accepted with trustedProxy=true", async () => {
    const changes = { settings: { AUTH_MODE: "header" }, trustedProxy: true }
    expect(await Chart.template("default", changes)).toMatchObject({ code: 0 })
  })
})
