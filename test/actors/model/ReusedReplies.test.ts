/** Replies that are used again: for whom, for how long, which ones, and what a Redis that is away changes: nothing but the cost. */
import { expect, it } from "@effect/vitest"
import { CoreConfig, PaidCalls } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { ConfigProvider, Context, Effect, Layer, Schema } from "effect"
import * as ReusedReplies from "../../../packages/actors/src/model/ReusedReplies.ts"
import { privateRedis } from "../../core/CoreFixture.ts"

const redis = privateRedis()
const tokens = { inputTokens: 1_200, cachedTokens: 1_000, outputTokens: 150, reasoningTokens: 50 }
const usage = { provider: "openai", model: "gpt-5.2", simulated: false, ...tokens, requestId: "req-1" }
const kind: ReusedReplies.Kind<{ readonly answer: string }> = {
  schema: Schema.Struct({ answer: Schema.String }),
  keep: ({ answer }) => answer !== "unknown"
}

/** Asks for replies as `owner`, and counts those that were bought. */
const buyer = Effect.fnUntraced(function* (env: Readonly<Record<string, string>>, url: () => string = () => redis.url) {
  const client = yield* Layer.build(
    Layer.fresh(RedisClient.layerUrl(url()).pipe(Layer.provide(CoreConfig.layerWith({}))))
  )
  const reuse = yield* ReusedReplies.make.pipe(
    Effect.provideContext(client),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
  )
  let bought = 0
  const ask = (owner: string, request = "r", answer = "paper") =>
    reuse(
      kind,
      request,
      Effect.sync(() => {
        bought++
        return { answer, usage }
      })
    ).pipe(Effect.provideService(PaidCalls.PaidCalls, { owner, make: (_, made) => made }))
  const send = (command: string, ...args: ReadonlyArray<string | number>) =>
    Context.get(client, RedisClient.RedisClient).send(command, ...args)
  return { ask, send, bought: () => bought }
})

it.live("a known reply is used again by its user alone, and counts no tokens", () =>
  Effect.gen(function* () {
    const { ask, bought } = yield* buyer({})
    expect(yield* ask("ann")).toEqual({ answer: "paper", usage })
    const again = yield* ask("ann")
    expect(again).toMatchObject({ answer: "paper", usage: { model: "gpt-5.2", inputTokens: 0, outputTokens: 0 } })
    expect(bought()).toBe(1)
    yield* ask("bob")
    yield* ask("ann", "another request")
    expect(bought()).toBe(3)
  })
)

it.live("a reply without a user is bought each time, as nobody may know whose it is; shared ones serve everybody", () =>
  Effect.gen(function* () {
    const own = yield* buyer({})
    yield* own.ask("")
    yield* own.ask("")
    expect(own.bought()).toBe(2)
    const shared = yield* buyer({ MODEL_REUSE_SHARED: "true" })
    yield* shared.ask("")
    yield* shared.ask("ann")
    expect(shared.bought()).toBe(1)
  })
)

it.live("a reply that is not worth it is asked for anew, and none is kept with MODEL_REUSE=off", () =>
  Effect.gen(function* () {
    const { ask, bought, send } = yield* buyer({})
    yield* ask("ann", "r", "unknown")
    yield* ask("ann", "r", "unknown")
    expect(bought()).toBe(2)
    const off = yield* buyer({ MODEL_REUSE: "off" })
    yield* off.ask("ann")
    yield* off.ask("ann")
    expect(off.bought()).toBe(2)
    expect(yield* send("DBSIZE")).toBe(0)
  })
)

it.live("a reply is kept for MODEL_REUSE and no longer", () =>
  Effect.gen(function* () {
    const { ask, send } = yield* buyer({ MODEL_REUSE: "90 seconds" })
    yield* ask("ann")
    const [key] = Schema.decodeUnknownSync(Schema.Array(Schema.String))(yield* send("KEYS", "*"))
    const left = yield* send("PTTL", key ?? "")
    expect(left).toBeGreaterThan(60_000)
    expect(left).toBeLessThanOrEqual(90_000)
  })
)

it.live("a reply that cannot be read, or cannot be kept, is bought and used", () =>
  Effect.gen(function* () {
    const { ask, bought, send } = yield* buyer({})
    yield* ask("ann")
    const [key] = Schema.decodeUnknownSync(Schema.Array(Schema.String))(yield* send("KEYS", "*"))
    yield* send("SET", key ?? "", "not a reply")
    expect(yield* ask("ann")).toEqual({ answer: "paper", usage })
    // of another type: GET is refused
    yield* send("DEL", key ?? "")
    yield* send("RPUSH", key ?? "", "x")
    expect(yield* ask("ann")).toEqual({ answer: "paper", usage })
    expect(bought()).toBe(3)
    yield* send("FLUSHALL")
    yield* send("CONFIG", "SET", "maxmemory", "1")
    expect(yield* ask("ann")).toEqual({ answer: "paper", usage })
    yield* send("CONFIG", "SET", "maxmemory", "0")
    expect(yield* send("DBSIZE")).toBe(0)
  })
)
