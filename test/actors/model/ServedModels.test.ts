/** What gateways know of the models that workers serve: said again and again, forgotten after five minutes, whatever the clocks. */
import { expect, it } from "@effect/vitest"
import { CoreConfig, Topic } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Clock, ConfigProvider, Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as ServedModels from "../../../packages/actors/src/model/ServedModels.ts"
import { privateRedis, until } from "../../core/CoreFixture.ts"
import * as JumpingClock from "../../core/JumpingClock.ts"
import * as SteppedClock from "../../core/SteppedClock.ts"

const redis = privateRedis()
const minute = 60_000
const stateKey = "eco2:{fleet}:topic:models.served:state"
const topics = () =>
  Topic.layer.pipe(Layer.provide(RedisClient.layerUrl(redis.url)), Layer.provide(CoreConfig.layerWith({})), Layer.fresh)
const settings = (models: string) =>
  ConfigProvider.layer(
    ConfigProvider.fromEnv({
      env: { OPENAI_MODELS: models, GEMINI_MODELS: "", DEFAULT_MODEL: models.split(",")[0] ?? "" },
      preserveEmptyStrings: true
    })
  )
const client = Effect.suspend(() =>
  Layer.build(Layer.fresh(RedisClient.layerUrl(redis.url).pipe(Layer.provide(CoreConfig.layerWith({})))))
).pipe(Effect.map((context) => Context.get(context, RedisClient.RedisClient)))
/** A worker says what it serves, for as long as the scope lasts. */
const worker = (models: string) =>
  Layer.build(ServedModels.announcing.pipe(Layer.provide([topics(), settings(models)]), Layer.fresh))
const gateway = (models: string) =>
  Effect.map(
    Layer.build(ServedModels.layer.pipe(Layer.provide([topics(), settings(models)]), Layer.fresh)),
    (context) => Context.get(context, ServedModels.ServedModels)
  )
const seen = (look: () => unknown, wanted: unknown) =>
  until(Effect.sync(look), (found) => JSON.stringify(found) === JSON.stringify(wanted))

it.live("a gateway offers what is configured while nothing is known, then what is served, its default too", () =>
  Effect.gen(function* () {
    const { offer, served } = yield* gateway("b,a")
    expect([offer(), served()]).toEqual([{ models: ["b", "a"], default: "b" }, []])
    yield* worker("a,c")
    yield* seen(offer, { models: ["a"], default: "a" })
    expect([...served()].sort()).toEqual(["a", "c"])
    yield* worker("b")
    yield* seen(offer, { models: ["b", "a"], default: "b" })
    // a gateway that starts later knows it at once
    expect((yield* gateway("b,a")).offer()).toEqual({ models: ["b", "a"], default: "b" })
  })
)

it.live("a model of which no worker has spoken for five minutes is not served, and a worker's clock may be ahead", () =>
  Effect.gen(function* () {
    const heard = Effect.flatMap(client, ({ send }) => send("HGET", stateKey, "a"))
    for (const [minutes, served] of [
      [6, []],
      [4, ["a"]],
      [-10, ["a"]]
    ] as const) {
      const clock = yield* SteppedClock.make
      clock.back(minutes * minute)
      const before = yield* heard
      yield* Effect.scoped(clock.on(worker("a")).pipe(Effect.andThen(until(heard, (at) => at !== before))))
      expect([minutes, (yield* gateway("a,b")).served()]).toEqual([minutes, served])
    }
  })
)

it.live(
  "a gateway forgets a model five minutes after it was last heard of, however far ahead its worker's clock was",
  () =>
    Effect.gen(function* () {
      const { send } = yield* client
      const ahead = yield* SteppedClock.make
      ahead.back(-60 * minute)
      const heard = send("HGET", stateKey, "a")
      yield* Effect.scoped(ahead.on(worker("a")).pipe(Effect.andThen(until(heard, (at) => at !== null))))
      const time = yield* JumpingClock.make
      const { served } = yield* gateway("a,b").pipe(Effect.provideService(Clock.Clock, time.clock))
      expect(served()).toEqual(["a"])
      time.forward(4 * minute)
      expect(served()).toEqual(["a"])
      time.forward(2 * minute)
      expect(served()).toEqual([])
    })
)

it.live("a worker says what it serves every two minutes, for as long as it runs", () =>
  Effect.gen(function* () {
    const { send } = yield* client
    const said = Effect.map(send("HGET", stateKey, "a"), String)
    const time = yield* TestClock.make()
    yield* worker("a").pipe(Effect.provideService(Clock.Clock, time))
    const first = yield* until(said, (value) => value !== "null")
    yield* time.adjust("1 minute")
    yield* time.adjust("61 seconds")
    yield* until(said, (value) => value !== "null" && value !== first)
  })
)
