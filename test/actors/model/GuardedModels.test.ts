/** Calls of hosted models, within their limits and behind their breakers, on a real Redis and a model server on loopback. */
import { expect, it } from "@effect/vitest"
import { CoreConfig, ImageMemory, PaidCalls, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Gauges, Metrics } from "@eco2/core/telemetry"
import { ConfigProvider, Context, Effect, Fiber, Layer, Metric, References } from "effect"
import type { Scope } from "effect"
import { afterAll, beforeAll, beforeEach } from "vitest"
import * as ImageMetadata from "../../../packages/actors/src/image/ImageMetadata.ts"
import * as GuardedModels from "../../../packages/actors/src/model/GuardedModels.ts"
import * as ModelMetrics from "../../../packages/actors/src/model/ModelMetrics.ts"
import * as Models from "../../../packages/actors/src/model/Models.ts"
import * as Pictures from "../../../packages/actors/src/model/Pictures.ts"
import { AnswerModel } from "../../../packages/actors/src/model/AnswerModel.ts"
import type { AnswerRequest } from "../../../packages/actors/src/model/AnswerModel.ts"
import { VisionModel } from "../../../packages/actors/src/model/VisionModel.ts"
import type { VisionRequest } from "../../../packages/actors/src/model/VisionModel.ts"
import { privateRedis, until } from "../../core/CoreFixture.ts"
import { FakeModelServer, imageOf } from "../../harness/FakeModelServer.ts"
import * as NameServer from "../../harness/NameServer.ts"
import * as Photos from "../../harness/Photos.ts"
import { answer, bottle, classified, classify, rule } from "./ModelContract.ts"
import { png, start } from "./PictureHost.ts"

const redis = privateRedis()
let server: FakeModelServer
beforeAll(async () => {
  server = await FakeModelServer.start()
})
beforeEach(() => server.reset())
afterAll(() => server.close())

type Ports = VisionModel | AnswerModel
interface Worker {
  readonly run: <A, E>(call: Effect.Effect<A, E, Ports>) => Effect.Effect<A, E>
  readonly send: (command: string, ...args: ReadonlyArray<string | number>) => Effect.Effect<unknown>
}

/** The models as a worker has them; `aheadMillis`: how far its clock is ahead of Redis's. */
const worker = (
  env: Record<string, string> = {},
  aheadMillis = 0,
  gauges: Layer.Layer<Gauges> = Gauges.layer
): Effect.Effect<Worker, never, Scope.Scope> =>
  Effect.gen(function* () {
    const context: Context.Context<Ports | RedisClient.RedisClient> = yield* Effect.orDie(
      Layer.build(
        GuardedModels.layer.pipe(
          Layer.provide([Models.layer, Layer.provide(Pictures.layer, ImageMemory.layer), Worker.limits]),
          Layer.provide(gauges),
          Layer.provideMerge(RedisClient.layerUrl(redis.url)),
          Layer.provide(CoreConfig.layerWith({ clockOffsetMillis: aheadMillis })),
          Layer.provide(
            ConfigProvider.layer(
              ConfigProvider.fromEnv({
                env: {
                  OPENAI_MODELS: "gpt-5.2,gpt-5-mini",
                  OPENAI_API_KEY: "sk-test",
                  OPENAI_BASE_URL: `${server.url}/v1`,
                  GEMINI_MODELS: "",
                  SIMULATED_MODEL: "true",
                  SIMULATED_VISION_MS: "0",
                  ...env
                },
                preserveEmptyStrings: true
              })
            )
          ),
          Layer.fresh
        )
      )
    )
    return {
      run: <A, E>(call: Effect.Effect<A, E, Ports>) =>
        Effect.provideContext(call, context).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
      send: (command: string, ...args: ReadonlyArray<string | number>) =>
        Effect.orDie(Context.get(context, RedisClient.RedisClient).send(command, ...args))
    }
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

const look = classify("gpt-5.2")

it.live("L1 calls wait for room in MODEL_LIMITS; beyond their patience they are ModelRateLimited and not sent", () =>
  Effect.gen(function* () {
    const one = yield* worker({ MODEL_LIMITS: "gpt-5.2=2rpm;gpt-5-mini=1r/1s" })
    yield* one.run(look)
    yield* one.run(answer("gpt-5.2"))
    const refusal = yield* Effect.flip(one.run(look))
    expect(refusal).toMatchObject({ _tag: "ModelRateLimited", provider: "openai", model: "gpt-5.2" })
    expect(server.calls.length).toBe(2)
    yield* one.run(classify("gpt-5-mini"))
    yield* one.run(classify("gpt-5-mini"))
    expect(server.calls[3]!.at - server.calls[2]!.at).toBeGreaterThanOrEqual(950)
  })
)

it.live("calls, tokens and outcomes are counted, also of the simulated model, and a call not sent is not counted", () =>
  Effect.gen(function* () {
    const count = (outcome: string, model = "gpt-5.2", provider = "openai") =>
      Effect.map(Metric.value(Metric.withAttributes(ModelMetrics.modelCalls, { provider, model, outcome })), (state) =>
        Number(state.count)
      )
    const tokens = (direction: string) =>
      Effect.map(
        Metric.value(
          Metric.withAttributes(ModelMetrics.modelTokens, {
            provider: "openai",
            model: "gpt-5.2",
            outcome: "ok",
            direction
          })
        ),
        (state) => Number(state.count)
      )
    const one = yield* worker({ MODEL_LIMITS: "gpt-5.2=2rpm" })
    yield* one.run(look)
    server.next("vision", { _tag: "Refusal" })
    yield* Effect.flip(one.run(look))
    expect(yield* Effect.flip(one.run(look))).toMatchObject({ _tag: "ModelRateLimited" })
    yield* one.run(classify("simulated"))
    const counts = [yield* count("ok"), yield* count("ModelRefused"), yield* count("ok", "simulated", "simulated")]
    expect(counts).toEqual([1, 1, 1])
    expect([yield* tokens("input"), yield* tokens("cached")]).toEqual([1_200, 1_000])
    expect([yield* tokens("output"), yield* tokens("reasoning")]).toEqual([150, 50])
    expect(yield* count("ModelRateLimited")).toBe(0)
    // other files count in the same process
  }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
)

it.live("the wait for room in MODEL_LIMITS is outside MODEL_TIMEOUT", () =>
  Effect.gen(function* () {
    const one = yield* worker({ MODEL_LIMITS: "gpt-5.2=1r/1s", MODEL_TIMEOUT: "500 millis" })
    yield* one.run(look)
    yield* one.run(look)
  })
)

it.live("tokens are reserved before a call and settled by the provider's usage", () =>
  Effect.gen(function* () {
    // the server reports 1,350 tokens a call; the first estimate is far above
    const one = yield* worker({ MODEL_LIMITS: "gpt-5.2=6000tpm" })
    yield* one.run(look)
    // an array of texts, "<bucket> <units>" among them
    yield* until(one.send("HVALS", "eco2:limit:{model/gpt-5.2}"), (texts) => / 1350[,"]/.test(JSON.stringify(texts)))
    // by then the estimate is 1,553
    yield* one.run(look)
    yield* one.run(look)
    yield* one.run(answer("gpt-5-mini"))
    expect(yield* Effect.flip(one.run(look).pipe(Effect.andThen(one.run(look))))).toMatchObject({
      _tag: "ModelRateLimited"
    })
  })
)

it.live("a model's calls at once stay within its limit, and an interrupted call makes room for the next", () =>
  Effect.gen(function* () {
    const one = yield* worker({ MODEL_LIMITS: "gpt-5.2=1parallel" })
    server.next("vision", { _tag: "Hang" })
    const hung = yield* Effect.forkChild(one.run(look))
    yield* Effect.promise(() => server.waitForCall(1))
    const waiting = yield* Effect.forkChild(one.run(look))
    yield* until(one.send("ZCARD", "eco2:limit-line:{model/gpt-5.2}"), (waits) => waits === 1)
    expect(server.calls.length).toBe(1)
    yield* Fiber.interrupt(hung)
    yield* Fiber.join(waiting)
  })
)

it.live("a 429 pauses the model for the whole fleet for the provider's Retry-After, with or without a limit", () =>
  Effect.gen(function* () {
    const one = yield* worker()
    const other = yield* worker()
    server.next("vision", { _tag: "RateLimit", retryAfterSeconds: 30 })
    const told = yield* Effect.flip(one.run(look))
    // up to a fifth later, so that not all retry at the same moment
    expect(told._tag === "ModelRateLimited" ? told.retryAfterMillis : 0).toBeGreaterThanOrEqual(30_000)
    expect(told._tag === "ModelRateLimited" ? told.retryAfterMillis : 0).toBeLessThanOrEqual(36_000)
    for (const process of [one, other]) {
      const refusal = yield* Effect.flip(process.run(answer("gpt-5.2")))
      if (refusal._tag !== "ModelRateLimited") return expect(refusal._tag).toBe("ModelRateLimited")
      expect(refusal.retryAfterMillis).toBeGreaterThan(20_000)
    }
    expect(server.calls.length).toBe(1)
    // other models are not affected
    yield* other.run(classify("gpt-5-mini"))
    const later = yield* worker({}, 30_001)
    yield* later.run(look)
  })
)

it.live(
  "a wrong key stops all calls of the model at once, and a single call at a time checks whether it works again",
  () =>
    Effect.gen(function* () {
      const one = yield* worker()
      server.next("vision", { _tag: "Unauthorized" })
      expect((yield* Effect.flip(one.run(look)))._tag).toBe("ModelUnauthorized")
      const suspended = yield* Effect.flip(one.run(look))
      expect(suspended).toMatchObject({ _tag: "ModelSuspended", provider: "openai", model: "gpt-5.2" })
      expect(server.calls.length).toBe(1)

      const later = yield* worker({}, 16_000)
      server.next("vision", { _tag: "Unauthorized" })
      expect((yield* Effect.flip(later.run(look)))._tag).toBe("ModelUnauthorized")
      expect((yield* Effect.flip(later.run(look)))._tag).toBe("ModelSuspended")

      const mended = yield* worker({}, 16_000 + 31_000)
      yield* mended.run(look)
      yield* mended.run(answer("gpt-5.2"))
    })
)

const refusals = [
  ["a wrong key", { _tag: "Unauthorized" }, "ModelUnauthorized"],
  [
    "an account without credit",
    { _tag: "Http", status: 429, body: JSON.stringify({ error: { code: "insufficient_quota" } }) },
    "ModelAccountExhausted"
  ]
] as const
for (const [what, outcome, tag] of refusals) {
  it.live(`${what} stops all models of the provider, and one call of any of them checks whether it works again`, () =>
    Effect.gen(function* () {
      const one = yield* worker()
      const other = yield* worker()
      const aside = classify("gpt-5-mini")
      server.next("vision", outcome)
      expect((yield* Effect.flip(one.run(look)))._tag).toBe(tag)
      for (const process of [one, other]) {
        expect(yield* Effect.flip(process.run(aside))).toMatchObject({ _tag: "ModelSuspended", model: "gpt-5-mini" })
      }
      expect(server.calls.length).toBe(1)
      // other accounts are not affected
      yield* one.run(classify("simulated"))

      const later = yield* worker({}, 16_000)
      server.next("vision", outcome)
      expect((yield* Effect.flip(later.run(aside)))._tag).toBe(tag)
      expect((yield* Effect.flip(later.run(look)))._tag).toBe("ModelSuspended")
      expect(server.calls.length).toBe(2)

      const mended = yield* worker({}, 16_000 + 31_000)
      yield* mended.run(aside)
      yield* mended.run(look)
    })
  )
}

it.live("a model that is gone, or has used up its own day, stops no other model of its provider", () =>
  Effect.gen(function* () {
    const own = [
      [404, "The model `gpt-5.2` does not exist", "ModelUnsuitable"],
      [429, "Rate limit reached for gpt-5.2 on requests per day (RPD): Limit 200", "ModelAccountExhausted"]
    ] as const
    for (const [status, message, tag] of own) {
      server.reset()
      const one = yield* worker()
      server.next("vision", { _tag: "Http", status, body: JSON.stringify({ error: { message } }) })
      expect((yield* Effect.flip(one.run(look)))._tag).toBe(tag)
      expect((yield* Effect.flip(one.run(look)))._tag).toBe("ModelSuspended")
      yield* one.run(classify("gpt-5-mini"))
      yield* one.send("FLUSHALL")
    }
  })
)

it.live(
  "a chain leaves out the other models of an account that is refused, and its job is parked, not kept waiting",
  () =>
    Effect.gen(function* () {
      for (const breaker of ["off", "8/30 seconds"]) {
        server.reset()
        const chain = { MODEL_BREAKER: breaker, SCAN_VISION_MODELS: "gpt-5.2,gpt-5-mini" }
        const one = yield* worker(chain)
        server.next("vision", { _tag: "Unauthorized" }, 2)
        expect((yield* Effect.flip(one.run(look)))._tag).toBe("ModelUnauthorized")
        expect(server.calls.length).toBe(1)
      }
    })
)

it.live("three outages within a minute stop a model's calls, and refusals or bad output never do", () =>
  Effect.gen(function* () {
    const one = yield* worker({ MODEL_BREAKER: "3/minute" })
    const failure = (outcome: Parameters<FakeModelServer["next"]>[1], times = 1) =>
      Effect.suspend(() => {
        server.next("vision", outcome, times)
        return Effect.map(Effect.flip(one.run(look)), ({ _tag }) => _tag)
      })
    for (let n = 0; n < 5; n++) {
      expect(yield* failure({ _tag: "Refusal" })).toBe("ModelRefused")
      // it is asked for once more
      expect(yield* failure({ _tag: "Text", text: "no" }, 2)).toBe("ModelOutputInvalid")
    }
    const tags = []
    for (let n = 0; n < 12; n++) tags.push(yield* failure({ _tag: "ServerError" }))
    expect(tags.slice(0, 3)).toEqual(["ModelUnavailable", "ModelUnavailable", "ModelUnavailable"])
    expect(tags.at(-1)).toBe("ModelSuspended")
    // each model has its own breaker
    server.reset()
    yield* one.run(classify("gpt-5-mini"))
  })
)

it.live("an output that cannot be used is asked for once more, as a call of its own, and never twice", () =>
  Effect.gen(function* () {
    const calls = (outcome: string) =>
      Effect.map(
        Metric.value(Metric.withAttributes(ModelMetrics.modelCalls, { provider: "openai", model: "gpt-5.2", outcome })),
        (state) => Number(state.count)
      )
    const one = yield* worker({ MODEL_LIMITS: "gpt-5.2=4rpm" })
    server.next("answer", { _tag: "Text", text: "그냥 버리세요" })
    yield* one.run(answer("gpt-5.2"))
    expect([yield* calls("ModelOutputInvalid"), yield* calls("ok")]).toEqual([1, 1])
    server.next("answer", { _tag: "CutOff" }, 3)
    expect(yield* Effect.flip(one.run(answer("gpt-5.2")))).toMatchObject({ _tag: "ModelOutputInvalid" })
    expect(server.calls.length).toBe(4)
    // each counts against the limit
    expect(yield* Effect.flip(one.run(answer("gpt-5.2")))).toMatchObject({ _tag: "ModelRateLimited" })
    // what was billed is counted, of an output that cannot be used too
    const tokens = Metric.value(
      Metric.withAttributes(ModelMetrics.modelTokens, {
        provider: "openai",
        model: "gpt-5.2",
        outcome: "ModelOutputInvalid",
        direction: "output"
      })
    )
    expect(Number((yield* tokens).count)).toBe(450)
  }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
)

it.live("time-outs are outages: several in a row open the breaker, and the calls stop", () =>
  Effect.gen(function* () {
    const one = yield* worker({ MODEL_BREAKER: "3/minute" })
    const tags = []
    for (let n = 0; n < 12; n++) {
      server.next("vision", { _tag: "Http", status: 408, body: "{}" })
      tags.push((yield* Effect.flip(one.run(look)))._tag)
    }
    expect(tags.slice(0, 3)).toEqual(["ModelTimeout", "ModelTimeout", "ModelTimeout"])
    expect(tags.at(-1)).toBe("ModelSuspended")
  })
)

it.live("the simulated model is called without Redis, unless it has a limit", () =>
  Effect.gen(function* () {
    const free = yield* worker()
    yield* free.run(classify("simulated"))
    expect(yield* free.send("DBSIZE")).toBe(0)
    const limited = yield* worker({ MODEL_LIMITS: "simulated=1rpm" })
    yield* limited.run(classify("simulated"))
    expect((yield* Effect.flip(limited.run(classify("simulated"))))._tag).toBe("ModelRateLimited")
  })
)

it.live("a model is not called without a permit: when Redis fails the call is ModelSuspended", () =>
  Effect.gen(function* () {
    const one = yield* worker({ MODEL_LIMITS: "gpt-5.2=5rpm" })
    yield* one.run(look)
    yield* one.send("SET", "eco2:limit-grants:{model/gpt-5.2}", "not a list")
    const refusal = yield* Effect.flip(one.run(look))
    expect(refusal._tag === "ModelSuspended" ? refusal.retryAfterMillis : 0).toBeGreaterThanOrEqual(2_000)
    expect(server.calls.length).toBe(1)
  })
)

it.live("a model whose provider asks to wait a day is paused for 15 minutes, and its jobs look each minute", () =>
  Effect.gen(function* () {
    const one = yield* worker()
    server.next("vision", { _tag: "RateLimit", retryAfterSeconds: 86_400 })
    const refusals = [yield* Effect.flip(one.run(look)), yield* Effect.flip(one.run(look))]
    for (const refusal of refusals) {
      const away = refusal._tag === "ModelRateLimited" ? (refusal.retryAfterMillis ?? 0) : 0
      expect(away).toBeGreaterThanOrEqual(60_000)
      expect(away).toBeLessThanOrEqual(72_000)
    }
    const sooner = yield* worker({}, 14 * 60_000)
    expect((yield* Effect.flip(sooner.run(look)))._tag).toBe("ModelRateLimited")
    const later = yield* worker({}, 15 * 60_000 + 1)
    yield* later.run(look)
  })
)

it.live("429s that name no time pause the model for longer each time, up to a minute, until a call succeeds", () =>
  Effect.gen(function* () {
    const one = yield* worker()
    const waitOf = Effect.gen(function* () {
      server.next("vision", { _tag: "RateLimit" })
      const error = yield* Effect.flip(one.run(look))
      // the pause is ended, so that the next call is sent
      yield* one.send("DEL", "eco2:limit:{model/gpt-5.2}")
      return error._tag === "ModelRateLimited" ? (error.retryAfterMillis ?? 0) : 0
    })
    const waits = yield* Effect.forEach(Array.from({ length: 8 }), () => waitOf)
    for (const [n, wait] of waits.entries()) {
      const least = Math.min(60_000, 2_000 * 2 ** n)
      expect(wait).toBeGreaterThanOrEqual(least)
      expect(wait).toBeLessThan(least * 1.3)
    }
    yield* one.run(look)
    expect(yield* waitOf).toBeLessThan(4_000)
  })
)

it.live("fifty calls that wait out a provider's pause are not sent at the same moment", () =>
  Effect.gen(function* () {
    const one = yield* worker()
    // on a busy machine all of them must ask before it is over
    server.next("vision", { _tag: "RateLimit", retryAfterSeconds: 3 })
    yield* Effect.flip(one.run(look))
    yield* Effect.forEach(Array.from({ length: 50 }), () => one.run(look), { concurrency: "unbounded" })
    const times = server.calls.slice(1).map(({ at }) => at)
    expect(times.length).toBe(50)
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(250)
  })
)

/** As ann's jobs do. */
const asAnn = Effect.provideService(PaidCalls.PaidCalls, { owner: "ann", make: (_, made) => made })

it.live(
  "a known reply serves the same request alone: any other photo, question, language, region or model is asked",
  () =>
    Effect.gen(function* () {
      const one = yield* worker({ FETCH_IMAGES: "false" })
      const usual = { model: "gpt-5.2", image: bottle, userInput: "where?", language: "en", region: "Mapo" } as const
      const asked = (changes: Partial<VisionRequest> = {}) =>
        one.run(
          VisionModel.use((port) => port.classify({ ...usual, ...changes })).pipe(
            asAnn,
            Effect.as(undefined),
            Effect.map(() => server.calls.length)
          )
        )
      expect([yield* asked(), yield* asked()]).toEqual([1, 1])
      const others: ReadonlyArray<Partial<VisionRequest>> = [
        { image: { _tag: "Bytes", mimeType: "image/png", bytes: new Uint8Array(600) } },
        { userInput: "when?" },
        { language: "ko" },
        { region: null },
        { model: "gpt-5-mini" },
        { image: { _tag: "Url", url: "https://images.example.com/a.png" } }
      ]
      for (const [n, changes] of others.entries()) expect(yield* asked(changes)).toBe(n + 2)
      // what stands behind an address may change
      expect(yield* asked(others.at(-1))).toBe(8)
      expect(yield* asked()).toBe(8)
    })
)

it.live("a known answer serves the same question about the same thing by the same model alone", () =>
  Effect.gen(function* () {
    const one = yield* worker()
    const usual = { model: "gpt-5.2", classification: classified, rule, userInput: "where?" } as const
    const asked = (changes: Partial<AnswerRequest> = {}) =>
      one.run(
        AnswerModel.use((port) => port.answer({ ...usual, ...changes })).pipe(
          asAnn,
          Effect.map(() => server.calls.length)
        )
      )
    expect([yield* asked(), yield* asked()]).toEqual([1, 1])
    const others: ReadonlyArray<Partial<AnswerRequest>> = [
      { model: "gpt-5-mini" },
      { userInput: "when?" },
      { rule: { ...rule, common_steps: ["another"] } },
      { classification: { ...classified, situation_tags: [] } },
      { language: "en" }
    ]
    for (const [n, changes] of others.entries()) expect(yield* asked(changes)).toBe(n + 2)
  })
)

it.live(
  "a call that is not billed costs no budget of the day, and one that is billed for nothing costs what it used",
  () =>
    Effect.gen(function* () {
      const one = yield* worker({ USER_DAY_BUDGET: "12000 tokens", MODEL_REUSE: "off" })
      const asked = Effect.suspend(() => one.run(asAnn(look)))
      const no = { _tag: "Http", status: 400, body: JSON.stringify({ error: { code: "content_filter" } }) } as const
      server.next("vision", no, 12)
      for (let n = 0; n < 12; n++) expect((yield* Effect.flip(asked))._tag).toBe("ModelRefused")
      // 1,350 tokens each
      server.always("vision", { _tag: "Text", text: "no" })
      const tags: Array<string> = []
      while (tags.length < 12 && tags.at(-1) !== "UserBudgetSpent") tags.push((yield* Effect.flip(asked))._tag)
      expect(tags.slice(0, 2)).toEqual(["ModelOutputInvalid", "ModelOutputInvalid"])
      expect(tags.at(-1)).toBe("UserBudgetSpent")
    })
)

const gemini = (places: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  worker({
    OPENAI_MODELS: "",
    GEMINI_MODELS: "gemini-2.5-flash",
    GEMINI_API_KEY: "g-test",
    GEMINI_BASE_URL: server.url,
    FETCH_ALLOW_PRIVATE: places.join(","),
    ...env
  })
const see = classify("gemini-2.5-flash")

it.live("a user's dead picture host is no outage of the model: the breaker stays closed, no call is counted", () =>
  Effect.gen(function* () {
    const host = yield* start((response) => response.writeHead(503).end())
    const one = yield* gemini(host.places, { MODEL_BREAKER: "3/minute", MODEL_LIMITS: "gemini-2.5-flash=2rpm" })
    for (let n = 0; n < 10; n++) {
      const error = yield* Effect.flip(one.run(classify("gemini-2.5-flash", { _tag: "Url", url: host.url })))
      expect(error._tag).toBe("PictureUnavailable")
    }
    expect(server.calls.length).toBe(0)
    yield* one.run(see)
    yield* one.run(see)
  })
)

it.live("a picture is fetched outside MODEL_TIMEOUT and reaches the model as bytes", () =>
  Effect.gen(function* () {
    const host = yield* start((response) => void setTimeout(() => response.end(png), 700))
    const one = yield* gemini(host.places, { MODEL_TIMEOUT: "500 millis" })
    yield* one.run(classify("gemini-2.5-flash", { _tag: "Url", url: host.url }))
    expect(server.calls.map(({ imageBytes }) => imageBytes)).toEqual([png.length])
  })
)

it.live(
  "I1 a picture at any host reaches OpenAI as bytes without metadata; without FETCH_IMAGES OpenAI gets its address",
  () =>
    Effect.gen(function* () {
      const photo = Photos.phoneJpeg(6)
      const host = yield* start((response) => response.end(photo))
      const places = { FETCH_ALLOW_PRIVATE: host.places.join(",") }
      const usual = yield* worker(places)
      yield* usual.run(classify("gpt-5.2", { _tag: "Url", url: host.url }))
      yield* usual.run(classify("simulated", { _tag: "Url", url: host.url }))
      expect(host.asked()).toBe(1)
      const off = yield* worker({ ...places, FETCH_IMAGES: "false" })
      yield* off.run(classify("gpt-5.2", { _tag: "Url", url: host.url }))
      expect(host.asked()).toBe(1)
      const [stripped, address] = server.calls.map(imageOf)
      expect(stripped).toEqual(Buffer.from(ImageMetadata.stripInPlace(Buffer.from(photo))?.bytes ?? []))
      expect(JSON.stringify(server.calls[0]?.body).includes(host.url)).toBe(false)
      expect([address, JSON.stringify(server.calls[1]?.body).includes(host.url)]).toEqual([null, true])
    })
)

it.live("no picture is fetched for a model whose breaker is open", () =>
  Effect.gen(function* () {
    const host = yield* start((response) => response.end(png))
    const one = yield* gemini(host.places)
    server.next("vision", { _tag: "Unauthorized" })
    yield* Effect.flip(one.run(see))
    const error = yield* Effect.flip(one.run(classify("gemini-2.5-flash", { _tag: "Url", url: host.url })))
    expect([error._tag, host.asked()]).toEqual(["ModelSuspended", 0])
  })
)

it.live("names whose name server never answers delay their own scans: another's photo is classified meanwhile", () =>
  Effect.gen(function* () {
    const dead = yield* NameServer.silent
    // the provider has a name too, which the system's resolver looks up
    const one = yield* gemini([], {
      FETCH_NAME_SERVERS: dead.at,
      GEMINI_BASE_URL: server.url.replace("127.0.0.1", "localhost")
    })
    const strangers = yield* Effect.forEach(Array.from({ length: 8 }), (_, i) =>
      Effect.forkChild(
        Effect.flip(one.run(classify("gemini-2.5-flash", { _tag: "Url", url: `http://p${i}.dead.example/photo.jpg` })))
      )
    )
    yield* until(
      Effect.sync(() => dead.names().size),
      (size) => size === strangers.length
    )
    yield* one.run(see)
    expect(strangers.map((fiber) => fiber.pollUnsafe())).toEqual(strangers.map(() => undefined))
    const errors = yield* Effect.forEach(strangers, Fiber.join)
    expect(new Set(errors.map(({ _tag }) => _tag))).toEqual(new Set(["PictureUnavailable"]))
    expect(yield* one.send("EXISTS", "eco2:breaker:gemini/gemini-2.5-flash")).toBe(0)
  })
)

it.live("a provider that cannot be reached from here opens no breaker: the failure is ours", () =>
  Effect.gen(function* () {
    // no resolver looks for a label of 64 letters
    const one = yield* worker({
      OPENAI_BASE_URL: `http://${"m".repeat(64)}.example/v1`,
      MODEL_BREAKER: "3/minute"
    })
    for (let n = 0; n < 12; n++) {
      expect(yield* Effect.flip(one.run(look))).toMatchObject({ _tag: "ModelUnreachable", provider: "openai" })
    }
    expect(yield* one.send("EXISTS", "eco2:breaker:openai/gpt-5.2")).toBe(0)
  })
)

it.live(
  "a worker that begins while an account's breaker is open tells so at a scrape, before anybody asks a model",
  () =>
    Effect.gen(function* () {
      const one = yield* worker()
      server.next("vision", { _tag: "Unauthorized" })
      yield* Effect.flip(one.run(look))
      const state = Metric.withAttributes(Metrics.breakerState, { name: "openai" })
      expect((yield* Metric.value(state)).value).toBe(2)
      const gauges = Context.get(yield* Layer.build(Layer.fresh(Gauges.layer)), Gauges)
      yield* worker({}, 0, Layer.succeed(Gauges, gauges))
      yield* Metric.update(state, 0)
      yield* gauges.readAll
      expect((yield* Metric.value(state)).value).toBe(2)
    })
)
