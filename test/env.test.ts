/** .env.example lists every variable that the code reads and no other, each explained and with its true default. */
import { describe, expect, it } from "vitest"
import { CoreConfig } from "@eco2/core"
import { Setting } from "@eco2/core/client"
import { PostgresConfig } from "@eco2/core/postgres"
import { CharacterActor, HistoryActor, OwnershipActor, ScanPipeline, UserCharacterActor } from "@eco2/actors/protocol"
import { Config, ConfigProvider, Effect, Layer } from "effect"
import { spawnSync } from "node:child_process"
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseEnv } from "node:util"
import { ModelConfig } from "../packages/actors/src/model/ModelConfig.ts"
import { concurrencyVariable } from "../packages/core/src/actor/Behavior.ts"
import { attemptsVariable, redrivesVariable, timeoutVariable } from "../packages/core/src/policy/StageLimits.ts"
import { CacheConfig } from "../packages/news/src/store/CacheConfig.ts"
import { GatewayConfig } from "../packages/gateway/src/GatewayConfig.ts"
import { SourceConfig } from "../packages/news/src/source/SourceConfig.ts"

const root = fileURLToPath(new URL("../", import.meta.url))
const example = readFileSync(`${root}.env.example`, "utf8")
const given = parseEnv(example.replace(/^#(?=[A-Z])/gm, ""))

/** PATH is the system's, TEST_REDIS the tests' own (CONTRIBUTING.md). */
const foreign = new Set(["PATH", "TEST_REDIS"])
const read =
  /(?:\bSetting\.\w+(?:<[^(]*>)?|\bConfig\.\w+|\b(?:setting|key|millis))\(\s*"([A-Z][A-Z0-9_]*)"|\bprocess\.env\.([A-Z][A-Z0-9_]*)|\bmodelList\("([A-Z]+)"/g

const variablesOf = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(read)].map(([, setting, variable, provider]) => setting ?? variable ?? `${provider}_MODELS`)

const inCode = new Set([
  ...globSync(["packages/*/src/**/*.ts", "deploy/**/*.ts"], { cwd: root }).flatMap((file) =>
    variablesOf(readFileSync(`${root}${file}`, "utf8"))
  ),
  ...ScanPipeline.plan.flatMap(({ mailbox }) =>
    [concurrencyVariable, timeoutVariable, attemptsVariable, redrivesVariable].map((variable) => variable(mailbox))
  ),
  ...[CharacterActor, OwnershipActor, UserCharacterActor, HistoryActor].map(({ name }) => concurrencyVariable(name))
])
const variables = [...inCode].filter((name) => !foreign.has(name)).toSorted()

describe(".env.example", () => {
  it("a shell that sources .env.example, Compose, and docker's --env-file read the same values", async () => {
    const text = example.replace(/^#(?=[A-Z])/gm, "")
    const folder = mkdtempSync(join(tmpdir(), "eco2-env-"))
    writeFileSync(join(folder, ".env"), text)
    const { status, stderr, stdout } = spawnSync("bash", ["-euc", "set -a; . ./.env; set +a; env -0"], {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH }
    })
    rmSync(folder, { recursive: true })
    expect([status, stderr]).toEqual([0, ""])
    const sourced = new Map(
      stdout.split("\0").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)])
    )
    // docker takes all behind the first = as it stands
    const raw = new Map(
      text
        .split("\n")
        .filter((line) => /^[A-Z]/.test(line))
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)])
    )
    const read = (name: string, value: string | undefined) =>
      Effect.runPromise(
        Setting.parsed(name, { default: "", allowed: "", parse: (one) => one }).pipe(
          Effect.provideService(
            ConfigProvider.ConfigProvider,
            ConfigProvider.fromEnv({ env: value === undefined ? {} : { [name]: value } })
          )
        )
      )
    expect(raw.size).toBeGreaterThan(100)
    for (const [name, value] of raw) {
      const usual = await read(name, sourced.get(name))
      expect([name, await read(name, value), await read(name, given[name])]).toEqual([name, usual, usual])
    }
  })

  it(".env.example lists every variable the code reads, once, and nothing else", () => {
    const listed = [...example.matchAll(/^#?([A-Z][A-Z0-9_]*)=/gm)].flatMap(([, name]) => name ?? [])
    expect(listed.toSorted()).toEqual(variables)
  })

  it(".env.example sets nothing by itself, and explains each variable in the line above", () => {
    const lines = example.split("\n")
    for (const [i, line] of lines.entries()) {
      if (!/^#?[A-Z][A-Z0-9_]*=/.test(line)) continue
      expect(line).toMatch(/^#/)
      expect([line, lines[i - 1]]).toEqual([line, expect.stringMatching(/^# \S.*\S$/)])
    }
  })

  it(".env.example shows the defaults: with all of them set, every role is configured as with none", () => {
    const under = (env: Record<string, string | undefined>) => {
      const set = Object.entries(env).flatMap(([name, value]) =>
        value === undefined || value === "" ? [] : [[name, value]]
      )
      return Effect.runSync(
        Effect.gen(function* () {
          const { offered, ...model } = yield* ModelConfig
          const core = yield* Effect.provide(CoreConfig, Layer.fresh(CoreConfig.layer))
          const gateway = yield* GatewayConfig
          const sources = yield* SourceConfig
          const database = yield* PostgresConfig.limits
          const news = yield* CacheConfig
          const simple = yield* Config.all({
            redis: Config.String("REDIS_URL").pipe(Config.withDefault("redis://127.0.0.1:6379")),
            port: Config.String("PORT").pipe(Config.withDefault("8080"))
          })
          return {
            models: offered.models,
            default: offered.default,
            model,
            core,
            gateway,
            sources,
            database,
            news,
            simple
          }
        }).pipe(
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: Object.fromEntries(set) }))
        )
      )
    }
    expect(under(given)).toEqual(under({}))
  })
})

describe("docs/operations/settings.md", () => {
  it("docs/operations/settings.md names every variable the code reads in its tables, once, and nothing else", () => {
    const text = readFileSync(`${root}docs/operations/settings.md`, "utf8")
    const named = text
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .flatMap((line) =>
        [...(line.split("|")[1] ?? "").matchAll(/`([A-Z][A-Z0-9_]*)`/g)].flatMap(([, name]) => name ?? [])
      )
    expect(named.toSorted()).toEqual(variables)
  })
})
