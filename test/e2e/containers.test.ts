/**
 * The image, built from its Dockerfile by buildah and run by podman: every role with a read-only root under the chart's memory
 * limits, its HEALTHCHECK, and a scan. Where the machine has neither, test/e2e/image.test.ts runs the same set of files.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { Schema } from "effect"
import { readFileSync } from "node:fs"
import { parse } from "yaml"
import { runWith } from "../deploy/cli/Operating.ts"
import { client, field } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import * as Containers from "../harness/Containers.ts"
import { checkout } from "../harness/ImageFolder.ts"
import { entries } from "../harness/Process.ts"
import * as TokenIssuer from "../harness/TokenIssuer.ts"

const say = (line: string) => void process.stdout.write(`${line}\n`)
const missing = Containers.missing() ?? (PostgresServer.isInstalled() ? undefined : "PostgreSQL is not installed")
if (missing !== undefined) say(`containers.test.ts is skipped: ${missing}`)

const Values = Schema.Struct({
  roles: Schema.Record(
    Schema.String,
    Schema.Struct({ resources: Schema.Struct({ limits: Schema.Struct({ memory: Schema.String }) }) })
  )
})
const { roles } = Schema.decodeUnknownSync(Values)(
  parse(readFileSync(`${checkout}deploy/helm/eco2/values.yaml`, "utf8"))
)
const patience = 120_000

describe.skipIf(missing !== undefined)("the image in containers", { timeout: 900_000 }, () => {
  let image: Containers.Image
  let redis: RedisServer.RedisServer
  let database: PostgresServer.PostgresServer
  const started: Array<Containers.Container> = []

  beforeAll(async () => {
    ;[redis, database, image] = await Promise.all([RedisServer.start(), PostgresServer.start(), Containers.build()])
    await runWith({ DATABASE_URL: database.url() })("migrate")
    say(`the image has ${(image.bytes / 1e6).toFixed(0)} MB; ${image.how}`)
  }, 1_500_000)
  afterAll(async () => {
    await Promise.all(started.map((container) => container.remove()))
    await redis?.stop()
    await database?.stop()
  })

  it("every role of the image runs read-only under the chart's memory limit, is healthy and ready, and stops with code 0", async (test) => {
    const refusal = await Containers.refusal(image)
    if (refusal !== undefined) {
      say(`containers.test.ts runs no role: ${refusal}`)
      return test.skip()
    }
    const begin = async (role: keyof typeof entries) => {
      const port = await RedisServer.freePort()
      const container = await Containers.start(image, {
        main: entries[role],
        memory: roles[role]!.resources.limits.memory,
        env: {
          REDIS_URL: redis.url,
          DATABASE_URL: database.url(),
          DATABASE_POOL: "2",
          HOST: "127.0.0.1",
          PORT: String(port),
          AUTH_MODE: "header",
          OPENAI_MODELS: "",
          GEMINI_MODELS: "",
          SIMULATED_MODEL: "true",
          SIMULATED_VISION_MS: "10",
          SIMULATED_ANSWER_MS: "10",
          NEWS_SAMPLE: "true",
          ...(role === "authz" ? TokenIssuer.bySecret : {}),
          ...(role === "all" ? { ECO2_STATE: "/tmp/eco2" } : {})
        }
      })
      started.push(container)
      const address = `http://127.0.0.1:${port}`
      const ready = () =>
        fetch(`${address}/readyz`).then(
          ({ status }) => status,
          () => 0
        )
      try {
        await until(ready, (status) => status === 200, patience)
      } catch (error) {
        throw new Error(`${role} is not ready; it said\n${await container.logs()}`, { cause: error })
      }
      expect([role, await container.exec(image.healthcheck)]).toEqual([role, 0])
      expect([role, await container.exec(["sh", "-c", "touch /app/x"])]).not.toEqual([role, 0])
      return { container, address }
    }
    const { all: _, ...apart } = entries
    const running = new Map<string, Awaited<ReturnType<typeof begin>>>()
    for (const role of Object.keys(apart) as Array<keyof typeof apart>) running.set(role, await begin(role))
    const scanned = async (at: { readonly address: string }) => {
      const ann = client(at, "ann")
      return field((await ann.finished(await ann.accepted())).body, "status")
    }
    expect(await scanned(running.get("gateway")!)).toBe("completed")
    for (const [role, { container }] of running)
      expect([role, await container.stop()]).toEqual([role, { code: 0, outOfMemory: false }])
    const whole = await begin("all")
    expect(await scanned(whole)).toBe("completed")
    expect(await whole.container.stop()).toEqual({ code: 0, outOfMemory: false })
  })
})
