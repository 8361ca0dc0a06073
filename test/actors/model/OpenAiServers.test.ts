/** Other servers than OpenAI's: which of its APIs they are asked by, without a key, and in a form that they know. */
import { layer } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Effect } from "effect"
import type { FakeModelServer, Outcome } from "../../harness/FakeModelServer.ts"
import { answer, classify, FakeModels, modelsFrom } from "./ModelContract.ts"

const model = "qwen3-vl"
const models = (server: FakeModelServer, env: Record<string, string> = {}) =>
  modelsFrom({ OPENAI_BASE_URL: `${server.url}/v1`, OPENAI_MODELS: model, GEMINI_MODELS: "", ...env })
const no = (message: string, status = 400): Outcome => ({
  _tag: "Http",
  status,
  body: JSON.stringify({ error: { message, type: "invalid_request_error", code: null, param: null } })
})
const field = (body: unknown, name: string): unknown => Object(body)[name]

layer(FakeModels.layer)("another server than OpenAI's", (it) => {
  const scenario = Effect.gen(function* () {
    const server = yield* FakeModels
    server.reset()
    return server
  })

  it.effect("a server that knows the Responses API is asked by it, without a key", () =>
    Effect.gen(function* () {
      const server = yield* scenario
      yield* Effect.andThen(classify(model), answer(model)).pipe(Effect.provide(models(server)))
      deepStrictEqual(
        server.calls.map(({ provider, headers }) => [provider, headers.authorization]),
        [
          ["openai", undefined],
          ["openai", undefined]
        ]
      )
    })
  )

  const unknown: ReadonlyArray<readonly [who: string, status: number, body: string]> = [
    ["FastAPI", 404, '{"detail":"Not Found"}'],
    ["Ollama", 404, "404 page not found"],
    ["llama.cpp", 404, '{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}'],
    ["a router", 405, '{"detail":"Method Not Allowed"}'],
    ["LM Studio", 200, '{"error":"Unexpected endpoint or method. (POST /v1/responses). Returning 200 anyway"}'],
    [
      "an old OpenAI",
      404,
      '{"error":{"message":"Unrecognized request URL (POST: /v1/responses)","type":"invalid_request_error"}}'
    ]
  ]
  for (const [who, status, body] of unknown) {
    it.effect(
      `a server that does not know the Responses API is found out once, and asked by Chat Completions: ${who}`,
      () =>
        Effect.gen(function* () {
          const server = yield* scenario
          server.setUnknown(["openai"], status, body)
          yield* Effect.andThen(classify(model), answer(model)).pipe(Effect.provide(models(server)))
          deepStrictEqual(
            server.calls.map(({ provider }) => provider),
            ["openai", "chat", "chat"]
          )
        })
    )
  }

  it.effect("a server that does not know the model is not asked again: ModelUnsuitable", () =>
    Effect.gen(function* () {
      const server = yield* scenario
      server.next("answer", no("model 'qwen3-vl' not found", 404))
      const error = yield* Effect.flip(answer(model)).pipe(Effect.provide(models(server)))
      deepStrictEqual([error._tag, server.calls.length], ["ModelUnsuitable", 1])
    })
  )

  it.effect("a server that knows neither API is ModelUnsuitable after one request of each", () =>
    Effect.gen(function* () {
      const server = yield* scenario
      server.setUnknown(["openai", "chat"])
      const error = yield* Effect.flip(answer(model)).pipe(Effect.provide(models(server)))
      deepStrictEqual(
        [error._tag, ...server.calls.map(({ provider }) => provider)],
        ["ModelUnsuitable", "openai", "chat"]
      )
    })
  )

  it.effect("OPENAI_API=chat asks by Chat Completions alone, and OPENAI_API=responses by Responses alone", () =>
    Effect.gen(function* () {
      const server = yield* scenario
      yield* answer(model).pipe(Effect.provide(models(server, { OPENAI_API: "chat" })))
      server.setUnknown(["openai"])
      const error = yield* Effect.flip(answer(model)).pipe(Effect.provide(models(server, { OPENAI_API: "responses" })))
      deepStrictEqual(
        [error._tag, ...server.calls.map(({ provider }) => provider)],
        ["ModelUnsuitable", "chat", "openai"]
      )
    })
  )

  it.effect(
    "a server that takes no schema, then no JSON mode, is told by the instructions, and this is remembered",
    () =>
      Effect.gen(function* () {
        const server = yield* scenario
        server.next(
          "answer",
          no("'response_format.type' must be 'text' or 'json_object', json_schema is not supported")
        )
        server.next("answer", no("response_format is not supported"))
        const asked = Effect.andThen(answer(model), answer(model))
        yield* asked.pipe(Effect.provide(models(server, { OPENAI_API: "chat" })))
        deepStrictEqual(
          server.calls.map(({ body }) => field(field(body, "response_format"), "type")),
          ["json_schema", "json_object", undefined, undefined]
        )
        const told = server.calls.map(({ body }) => JSON.stringify(field(body, "messages")).includes("JSON Schema"))
        deepStrictEqual(told, [false, true, true, true])
      })
  )

  it.effect("every request has a bound of its output, and an unknown server gets nothing that it may not know", () =>
    Effect.gen(function* () {
      const server = yield* scenario
      const chat = models(server, { OPENAI_API: "chat", MODEL_MAX_OUTPUT: "1234" })
      yield* classify(model).pipe(Effect.provide(chat))
      const responses = models(server, { OPENAI_API: "responses" })
      yield* classify(model).pipe(Effect.provide(responses))
      deepStrictEqual(Object.keys(Object(server.calls[0]?.body)).toSorted(), [
        "max_tokens",
        "messages",
        "model",
        "response_format"
      ])
      strictEqual(field(server.calls[0]?.body, "max_tokens"), 1234)
      strictEqual(field(server.calls[1]?.body, "max_output_tokens"), 4000)
      strictEqual(JSON.stringify(server.calls[0]?.body).includes('"detail"'), false)
    })
  )

  it.effect("a model of OpenAI's is told its effort, its detail and the bound by the name that it knows", () =>
    Effect.gen(function* () {
      const server = yield* scenario
      const env = { OPENAI_MODELS: "gpt-5.2", MODEL_EFFORT: "minimal" }
      yield* classify("gpt-5.2").pipe(Effect.provide(models(server, { ...env, OPENAI_API: "chat" })))
      yield* classify("gpt-5.2").pipe(Effect.provide(models(server, { ...env, OPENAI_API: "responses" })))
      const [chat, responses] = server.calls.map(({ body }) => body)
      // gpt-5.2 has no minimal; the nearest below it is none
      deepStrictEqual(
        [field(chat, "max_completion_tokens"), field(chat, "reasoning_effort"), field(responses, "reasoning")],
        [4000, "none", { effort: "none" }]
      )
      strictEqual(JSON.stringify(chat).includes('"detail":"auto"'), true)
    })
  )
})
