import { layer } from "@effect/vitest"
import { strictEqual } from "@effect/vitest/utils"
import { Effect, Layer } from "effect"
import type { FakeModelServer } from "../../harness/FakeModelServer.ts"
import {
  classify,
  FakeModels,
  hostedModelContract,
  modelContract,
  modelsFrom,
  secret,
  streamedModelContract
} from "./ModelContract.ts"

const model = "gpt-5.2"
const env = (server: FakeModelServer) => ({
  OPENAI_API_KEY: secret,
  OPENAI_BASE_URL: `${server.url}/v1/`,
  OPENAI_MODELS: model,
  GEMINI_MODELS: ""
})
const models = Layer.unwrap(Effect.map(FakeModels, (server) => modelsFrom(env(server))))

modelContract("OpenAiModel", { models: models.pipe(Layer.provide(FakeModels.layer)), model, provider: "openai" })
hostedModelContract("OpenAiModel", { env, model })
streamedModelContract("OpenAiModel", { env, model })

// another server, which speaks Chat Completions alone, and wants no key
const chatEnv = (server: FakeModelServer) => ({
  OPENAI_API: "chat",
  OPENAI_BASE_URL: `${server.url}/v1`,
  OPENAI_MODELS: "qwen3-vl",
  GEMINI_MODELS: ""
})
const chatModels = Layer.unwrap(Effect.map(FakeModels, (server) => modelsFrom(chatEnv(server))))
const chat = { model: "qwen3-vl", provider: "openai" }

modelContract("OpenAiModel over Chat Completions", {
  models: chatModels.pipe(Layer.provide(FakeModels.layer)),
  ...chat
})
hostedModelContract("OpenAiModel over Chat Completions", {
  env: (server) => ({ ...chatEnv(server), OPENAI_API_KEY: secret }),
  model: chat.model
})
streamedModelContract("OpenAiModel over Chat Completions", { env: chatEnv, model: chat.model })

layer(models.pipe(Layer.provideMerge(FakeModels.layer)))("OpenAiModel", (it) => {
  it.effect("an image's address is passed on to OpenAI, which fetches it", () =>
    Effect.gen(function* () {
      const server = yield* FakeModels
      server.reset()
      const url = "https://example.com/bottle.jpg?size=large"
      yield* classify(model, { _tag: "Url", url })
      strictEqual(JSON.stringify(server.calls[0]?.body).includes(`"image_url":${JSON.stringify(url)}`), true)
    })
  )

  it.effect("image bytes are sent as a data URL, with strict output and nothing stored", () =>
    Effect.gen(function* () {
      const server = yield* FakeModels
      server.reset()
      yield* classify(model)
      const sent = JSON.stringify(server.calls[0]?.body)
      for (const part of [
        '"image_url":"data:image/png;base64,',
        '"type":"json_schema"',
        '"strict":true',
        '"store":false'
      ]) {
        strictEqual(sent.includes(part), true, part)
      }
      strictEqual(server.calls[0]?.headers.authorization, `Bearer ${secret}`)
    })
  )

  const failures = [
    { code: "invalid_image_format", status: 400, tag: "ImageUnusable" },
    { code: "failed_to_download_image", status: 400, tag: "ImageUnusable" },
    { code: "image_content_policy_violation", status: 400, tag: "ModelRefused" },
    { code: "insufficient_quota", status: 429, tag: "ModelAccountExhausted" },
    { code: "rate_limit_exceeded", status: 429, tag: "ModelRateLimited" }
  ]
  for (const { code, status, tag } of failures) {
    it.effect(`HTTP ${status} with code ${code} is ${tag}`, () =>
      Effect.gen(function* () {
        const server = yield* FakeModels
        server.reset()
        server.next("vision", {
          _tag: "Http",
          status,
          body: JSON.stringify({ error: { message: "no", code, type: "x", param: null } })
        })
        strictEqual((yield* Effect.flip(classify(model)))._tag, tag)
      })
    )
  }

  const inside = [
    { code: "server_error", tag: "ModelUnavailable" },
    { code: "rate_limit_exceeded", tag: "ModelRateLimited" },
    { code: "image_parse_error", tag: "ImageUnusable" },
    { code: "invalid_prompt", tag: "ModelRefused" }
  ]
  for (const { code, tag } of inside) {
    it.effect(`a response with the error ${code} inside is ${tag}`, () =>
      Effect.gen(function* () {
        const server = yield* FakeModels
        server.reset()
        const body = JSON.stringify({
          object: "response",
          status: "failed",
          error: { code, message: "no" },
          output: []
        })
        server.next("vision", { _tag: "Http", status: 200, body })
        strictEqual((yield* Effect.flip(classify(model)))._tag, tag)
      })
    )
  }
})
