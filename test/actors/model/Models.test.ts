import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { ConfigProvider, Duration, Effect, Layer, Option, Redacted } from "effect"
import { ModelTime } from "../../../packages/actors/src/scan/ModelTime.ts"
import { ModelConfig } from "../../../packages/actors/src/model/ModelConfig.ts"
import { classify, modelsFrom, secret } from "./ModelContract.ts"

const configFrom = (env: Record<string, string>) =>
  Effect.gen(function* () {
    return yield* ModelConfig
  }).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })))

const started = (env: Record<string, string>) => Effect.scoped(Layer.build(modelsFrom(env)))

describe("Models", () => {
  for (const [prefix, other] of [
    ["OPENAI", "GEMINI"],
    ["GEMINI", "OPENAI"]
  ] as const) {
    it.effect(`a start without ${prefix}_API_KEY while ${prefix}_MODELS offers any fails and names both settings`, () =>
      Effect.gen(function* () {
        for (const key of [{}, { [`${prefix}_API_KEY`]: "" }, { [`${prefix}_API_KEY`]: " \n" }]) {
          const error = yield* Effect.flip(started({ ...key, [`${other}_MODELS`]: "" }))
          strictEqual(error._tag, "ModelKeyMissing")
          assertTrue(
            error.message.includes(`${prefix}_API_KEY`) && error.message.includes(`${prefix}_MODELS=`),
            error.message
          )
        }
      })
    )
    it.effect(`a start without ${prefix}_API_KEY succeeds when ${prefix}_MODELS is empty`, () =>
      started({ [`${prefix}_MODELS`]: "", [`${other}_API_KEY`]: secret })
    )
  }

  it.effect("a start with a wrong setting of the models fails and names it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        started({ OPENAI_API_KEY: secret, GEMINI_API_KEY: secret, DEFAULT_MODEL: "gpt-9" })
      )
      strictEqual(error._tag, "ConfigError")
      assertTrue(error.message.includes("DEFAULT_MODEL"), error.message)
    })
  )

  /** The environments of docs/operations/models.md, by their headings. */
  const environments = [
    ...readFileSync(new URL("../../../docs/operations/models.md", import.meta.url), "utf8").matchAll(
      /^### (.+)\n+```sh\n([^`]+)```/gm
    )
  ].map(([, title = "", text = ""]) => ({
    title,
    env: Object.fromEntries(
      text
        .trim()
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1).replaceAll('"', "")])
    )
  }))

  it("docs/operations/models.md has an environment for each of seven servers", () => {
    strictEqual(environments.length, 7)
  })
  it.effect.each(environments)("the documented environment of $title starts, and its times fit together", ({ env }) =>
    Effect.gen(function* () {
      yield* started(env)
      yield* ModelTime
    }).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })))
  )

  it.effect("a provider that refuses connections is ModelUnavailable with the cause", () =>
    Effect.gen(function* () {
      const env = {
        OPENAI_API_KEY: secret,
        OPENAI_MODELS: "m",
        OPENAI_BASE_URL: "http://127.0.0.1:2/v1",
        GEMINI_MODELS: ""
      }
      const error = yield* Effect.flip(classify("m").pipe(Effect.provide(modelsFrom(env))))
      strictEqual(error._tag, "ModelUnavailable")
      assertTrue(error.message.includes("ECONNREFUSED"), error.message)
    })
  )

  // Node alone: Deno has no module hooks
  it.skipIf(process.versions.deno !== undefined)(
    "a provider's client library is loaded only when that provider is on",
    async () => {
      const file = (name: string) =>
        JSON.stringify(new URL(`../../../packages/actors/src/model/${name}`, import.meta.url).href)
      const source = `
      import { registerHooks } from "node:module"
      import { Duration, Effect, Option, Redacted } from "effect"
      const loaded = new Set()
      registerHooks({
        load(url, context, next) {
          const name = /node_modules\\/(openai|@google\\/genai)\\//.exec(url)?.[1]
          if (name !== undefined) loaded.add(name)
          return next(url, context)
        }
      })
      await import(${file("Models.ts")})
      const atFirst = [...loaded]
      const OpenAiModel = await import(${file("openai/OpenAiModel.ts")})
      const settings = {
        apiKey: Option.some(Redacted.make("key")),
        baseUrl: "http://localhost/v1",
        api: "auto",
        effort: "low",
        maxOutput: 100,
        timeout: Duration.seconds(1)
      }
      await Effect.runPromise(OpenAiModel.make(settings))
      console.log(JSON.stringify({ atFirst, withOpenAi: [...loaded] }))
    `
      const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", source], {
        cwd: fileURLToPath(new URL("../../..", import.meta.url))
      })
      deepStrictEqual(JSON.parse(stdout), { atFirst: [], withOpenAi: ["openai"] })
    }
  )
})

describe("ModelConfig", () => {
  it.effect("every setting of the models but the keys has a default", () =>
    Effect.gen(function* () {
      const config = yield* configFrom({})
      deepStrictEqual(config.openai, {
        apiKey: Option.none(),
        baseUrl: "https://api.openai.com/v1",
        api: "auto"
      })
      deepStrictEqual(config.gemini, { apiKey: Option.none(), baseUrl: "https://generativelanguage.googleapis.com" })
      strictEqual(Duration.toMillis(config.simulated.visionLatency), 400)
      strictEqual(Duration.toMillis(config.simulated.answerLatency), 600)
      strictEqual(config.simulated.failureRate, 0)
      strictEqual(Duration.toSeconds(config.timeout), 60)
    })
  )

  it.effect("a key's line end and a base URL's last slash are removed", () =>
    Effect.gen(function* () {
      const { openai } = yield* configFrom({
        OPENAI_API_KEY: ` ${secret}\n`,
        OPENAI_BASE_URL: "http://localhost:1/v1/ "
      })
      strictEqual(Option.getOrThrow(Option.map(openai.apiKey, Redacted.value)), secret)
      strictEqual(openai.baseUrl, "http://localhost:1/v1")
    })
  )

  it.effect("no key is shown by the settings or their errors", () =>
    Effect.gen(function* () {
      const config = yield* configFrom({ OPENAI_API_KEY: secret, GEMINI_API_KEY: secret })
      assertTrue(!JSON.stringify(config).includes(secret))
      const error = yield* Effect.flip(configFrom({ OPENAI_API_KEY: `${secret} ${secret}` }))
      assertTrue(error.message.includes("OPENAI_API_KEY") && !error.message.includes(secret), error.message)
    })
  )

  const wrong: ReadonlyArray<readonly [variable: string, value: string, allowed: string]> = [
    ["OPENAI_BASE_URL", "api.openai.com", "http or https"],
    ["GEMINI_BASE_URL", "ftp://x", "http or https"],
    ["GEMINI_BASE_URL", "https://ann:pw@x.example", "without user and password"],
    ["SIMULATED_VISION_MS", "-1", "0 to 600000"],
    ["SIMULATED_ANSWER_MS", "fast", "0 to 600000"],
    ["SIMULATED_FAILURE_RATE", "1.5", "0 to 1"],
    ["MODEL_TIMEOUT", "0 seconds", "at most 5 minutes"],
    ["MODEL_TIMEOUT", "1 hour", "at most 5 minutes"],
    ["MODEL_TIMEOUT", "soon", "at most 5 minutes"]
  ]
  for (const [variable, value, allowed] of wrong) {
    it.effect(`${variable}=${value} is refused and says what is allowed`, () =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(configFrom({ [variable]: value }))
        assertTrue(message.includes(variable) && message.includes(allowed), message)
      })
    )
  }
})
