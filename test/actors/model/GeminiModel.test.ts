import { describe, it, layer } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Effect, Layer } from "effect"
import { createServer } from "node:http"
import type { ServerResponse } from "node:http"
import type { FakeModelServer } from "../../harness/FakeModelServer.ts"
import {
  answer,
  classify,
  FakeModels,
  hostedModelContract,
  modelContract,
  modelsFrom,
  secret
} from "./ModelContract.ts"

const model = "gemini-2.5-flash"
const env = (server: FakeModelServer) => ({
  GEMINI_API_KEY: secret,
  GEMINI_BASE_URL: server.url,
  GEMINI_MODELS: model,
  OPENAI_MODELS: ""
})
const models = Layer.unwrap(Effect.map(FakeModels, (server) => modelsFrom(env(server))))

modelContract("GeminiModel", { models: models.pipe(Layer.provide(FakeModels.layer)), model, provider: "gemini" })
hostedModelContract("GeminiModel", { env, model })

layer(models.pipe(Layer.provideMerge(FakeModels.layer)))("GeminiModel", (it) => {
  it.effect("N1 a picture's address that leads nowhere public is unusable, without a call", () =>
    Effect.gen(function* () {
      const server = yield* FakeModels
      server.reset()
      for (const url of [server.url, "http://169.254.169.254/latest/meta-data", "http://localhost/a.png"]) {
        strictEqual((yield* Effect.flip(classify(model, { _tag: "Url", url })))._tag, "ImageUnusable")
      }
      strictEqual(server.calls.length, 0)
    })
  )

  it.effect("takes no GIF, without a call", () =>
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

  it.effect("sends only the bytes in view when they lie in a larger buffer", () =>
    Effect.gen(function* () {
      const server = yield* FakeModels
      server.reset()
      const bytes = new Uint8Array(100).subarray(10, 20)
      yield* classify(model, { _tag: "Bytes", mimeType: "image/jpeg", bytes })
      strictEqual(server.calls[0]?.imageBytes, 10)
    })
  )

  const failures = [
    {
      claim: "a key called invalid by a 400",
      error: { status: "INVALID_ARGUMENT", message: "API key not valid.", details: [{ reason: "API_KEY_INVALID" }] },
      tag: "ModelUnauthorized"
    },
    {
      claim: "an account that may not call",
      error: { status: "FAILED_PRECONDITION", message: "Enable billing." },
      tag: "ModelUnauthorized"
    },
    {
      claim: "a picture that cannot be processed",
      error: { status: "INVALID_ARGUMENT", message: "Unable to process input image." },
      tag: "ImageUnusable"
    },
    {
      claim: "any other wrong request",
      error: { status: "INVALID_ARGUMENT", message: "Bad schema." },
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

  it.effect("the word image in an answer's error is not about a picture", () =>
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

describe("a picture given by its address, at a place that is opened", () => {
  const png = Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.alloc(50, 7)])
  /** One call; what the picture's server answers, and what became of it. */
  const classified = (answers: (response: ServerResponse) => void) =>
    Effect.gen(function* () {
      const pictures = createServer((_, response) => answers(response))
      yield* Effect.promise(() => new Promise<void>((resolve) => pictures.listen(0, "127.0.0.1", resolve)))
      yield* Effect.addFinalizer(() => Effect.sync(() => pictures.close()))
      const address = pictures.address()
      const place = `127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}`
      const server = yield* FakeModels
      server.reset()
      const outcome = yield* classify(model, { _tag: "Url", url: `http://${place}/photo` }).pipe(
        Effect.provide(modelsFrom({ ...env(server), FETCH_ALLOW_PRIVATE: place })),
        Effect.match({ onSuccess: () => "classified", onFailure: ({ _tag }) => _tag })
      )
      return { outcome, imageBytes: server.calls.map((call) => call.imageBytes) }
    }).pipe(Effect.scoped, Effect.provide(FakeModels.layer))

  it.effect("goes to the model as bytes, whatever type its server names", () =>
    Effect.gen(function* () {
      const { imageBytes, outcome } = yield* classified((response) =>
        response.writeHead(200, { "content-type": "application/octet-stream" }).end(png)
      )
      deepStrictEqual([outcome, imageBytes], ["classified", [png.length]])
    })
  )

  it.effect("what is no picture, not there or too large is unusable, without a call", () =>
    Effect.gen(function* () {
      const answers: ReadonlyArray<(response: ServerResponse) => void> = [
        (response) => response.writeHead(200, { "content-type": "image/png" }).end("<html>"),
        (response) => response.writeHead(404).end(png),
        (response) => response.end(Buffer.concat([png, Buffer.alloc(10 * 1024 * 1024)])),
        (response) => response.end("GIF89a and so on"),
        (response) => response.writeHead(302, { location: "http://169.254.169.254/" }).end()
      ]
      for (const answer of answers) {
        deepStrictEqual(yield* classified(answer), { outcome: "ImageUnusable", imageBytes: [] })
      }
    })
  )

  it.effect("one that its server cannot give now may come later, without a call", () =>
    Effect.gen(function* () {
      for (const status of [429, 503]) {
        deepStrictEqual(yield* classified((response) => response.writeHead(status).end()), {
          outcome: "ModelUnavailable",
          imageBytes: []
        })
      }
    })
  )
})
