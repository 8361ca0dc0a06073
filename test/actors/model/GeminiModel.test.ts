import { layer } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Effect, Layer } from "effect"
import type { FakeModelServer } from "../../harness/FakeModelServer.ts"
import {
  answer,
  classify,
  FakeModels,
  hostedModelContract,
  modelContract,
  modelsFrom,
  secret,
  streamedModelContract
} from "./ModelContract.ts"

const model = "gemini-3.8-flash"
const env = (server: FakeModelServer) => ({
  GEMINI_API_KEY: secret,
  GEMINI_BASE_URL: server.url,
  GEMINI_MODELS: model,
  OPENAI_MODELS: ""
})
const models = Layer.unwrap(Effect.map(FakeModels, (server) => modelsFrom(env(server))))

modelContract("GeminiModel", { models: models.pipe(Layer.provide(FakeModels.layer)), model, provider: "gemini" })
hostedModelContract("GeminiModel", { env, model })
streamedModelContract("GeminiModel", { env, model })

layer(models.pipe(Layer.provideMerge(FakeModels.layer)))("GeminiModel", (it) => {
  it.effect("an image's address is refused as ImageUnusable without a call, as Gemini takes bytes only", () =>
    Effect.gen(function* () {
      const server = yield* FakeModels
      server.reset()
      const error = yield* Effect.flip(classify(model, { _tag: "Url", url: `${server.url}/photo.png` }))
      deepStrictEqual([error._tag, server.calls.length], ["ImageUnusable", 0])
    })
  )

  it.effect("a GIF is refused as ImageUnusable without a call", () =>
    Effect.gen(function* () {
      const server = yield* FakeModels
      server.reset()
      const error = yield* Effect.flip(
        classify(model, { _tag: "Bytes", mimeType: "image/gif", bytes: new Uint8Array(9) })
      )
      strictEqual(error._tag, "ImageUnusable")
      strictEqual(server.calls.length, 0)
    })
  )

  it.effect("only the image's bytes are sent when they lie in a larger buffer", () =>
    Effect.gen(function* () {
      const server = yield* FakeModels
      server.reset()
      const bytes = new Uint8Array(100).subarray(10, 20)
      yield* classify(model, { _tag: "Bytes", mimeType: "image/jpeg", bytes })
      strictEqual(server.calls[0]?.imageBytes, 10)
    })
  )

  for (const [asked, effort, thinking] of [
    ["gemini-3.8-flash", "low", { thinkingLevel: "LOW" }],
    ["gemini-2.5-flash", "low", { thinkingBudget: 1024 }],
    ["gemini-2.5-flash", "none", { thinkingBudget: 0 }],
    ["gemini-2.0-flash", "low", undefined]
  ] as const) {
    it.effect(`${asked} with MODEL_EFFORT=${effort} is told ${JSON.stringify(thinking) ?? "nothing"}`, () =>
      Effect.gen(function* () {
        const server = yield* FakeModels
        server.reset()
        const own = modelsFrom({ ...env(server), GEMINI_MODELS: asked, MODEL_EFFORT: effort })
        yield* answer(asked).pipe(Effect.provide(Layer.fresh(own)))
        deepStrictEqual(Object(Object(server.calls[0]?.body).generationConfig).thinkingConfig, thinking)
      })
    )
  }

  const failures = [
    {
      claim: "a key called invalid by a 400",
      error: { status: "INVALID_ARGUMENT", message: "API key not valid.", details: [{ reason: "API_KEY_INVALID" }] },
      tag: "ModelUnauthorized"
    },
    {
      claim: "an account without billing",
      error: { status: "FAILED_PRECONDITION", message: "Enable billing." },
      tag: "ModelAccountExhausted"
    },
    {
      claim: "a country that is not served",
      error: { status: "FAILED_PRECONDITION", message: "User location is not supported for the API use." },
      tag: "ModelUnauthorized"
    },
    {
      claim: "a picture that cannot be processed",
      error: { status: "INVALID_ARGUMENT", message: "Unable to process input image." },
      tag: "ImageUnusable"
    },
    {
      claim: "any other wrong request",
      error: { status: "INVALID_ARGUMENT", message: "Request contains an invalid argument." },
      tag: "ModelRefused"
    }
  ]
  for (const { claim, error, tag } of failures) {
    it.effect(`${claim} is ${tag}`, () =>
      Effect.gen(function* () {
        const server = yield* FakeModels
        server.reset()
        server.next("vision", { _tag: "Http", status: 400, body: JSON.stringify({ error: { code: 400, ...error } }) })
        strictEqual((yield* Effect.flip(classify(model)))._tag, tag)
      })
    )
  }

  it.effect("an answer's error with the word image is ModelRefused, not ImageUnusable", () =>
    Effect.gen(function* () {
      const server = yield* FakeModels
      server.reset()
      server.next("answer", {
        _tag: "Http",
        status: 400,
        body: JSON.stringify({ error: { message: "image generation off" } })
      })
      strictEqual((yield* Effect.flip(answer(model)))._tag, "ModelRefused")
    })
  )
})
