/** The memory of pages on which a look found no picture. */
import { expect, it } from "@effect/vitest"
import { RedisClient } from "@eco2/core/redis"
import { Effect, Layer } from "effect"
import * as NewsKeys from "../../../packages/news/src/store/NewsKeys.ts"
import { LookMemory, layer } from "../../../packages/news/src/collect/LookMemory.ts"
import { privateRedis } from "../../core/CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = privateRedis()
const day = 86_400_000

it.live("a look is remembered by its page for a day, and the next look begins that day anew", () =>
  Effect.gen(function* () {
    const memory = yield* LookMemory
    const { send } = yield* RedisClient.RedisClient
    const [page, other] = ["https://press.example/1", "https://press.example/2"]
    yield* memory.remember(page, { outcome: "slow", looks: 1 })
    expect(yield* memory.recall([page, other])).toEqual(new Map([[page, { outcome: "slow", looks: 1 }]]))
    const [key = ""] = (yield* send("KEYS", NewsKeys.look(keyNames, "*"))) as ReadonlyArray<string>
    const left = yield* send("PTTL", key)
    expect(left).toBeGreaterThan(day - 60_000)
    expect(left).toBeLessThanOrEqual(day)
    yield* send("PEXPIRE", key, 5_000)
    yield* memory.remember(page, { outcome: "slow", looks: 2 })
    expect(yield* send("PTTL", key)).toBeGreaterThan(day - 60_000)
  }).pipe(
    Effect.provide(layer.pipe(Layer.provideMerge(Layer.suspend(() => RedisClient.layerUrl(redis.url))), Layer.fresh))
  )
)
