/** The budgets of a day: whose they are, what counts against them, and that nobody waits for one. */
import { expect, it } from "@effect/vitest"
import { Attempt, CoreConfig, RateLimiter, Worker } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { ConfigProvider, Context, Effect, Layer } from "effect"
import * as DayBudgets from "../../../packages/actors/src/model/DayBudgets.ts"
import type { Spending } from "../../../packages/actors/src/model/DayBudgets.ts"
import { privateRedis } from "../../core/CoreFixture.ts"

const redis = privateRedis()
const hour = 3_600_000

/** A worker's budgets; `aheadMillis`: how far its clock is ahead of Redis's. */
const worker = Effect.fnUntraced(function* (env: Readonly<Record<string, string>>, aheadMillis = 0) {
  const context = yield* Layer.build(
    Layer.fresh(
      Worker.limits.pipe(
        Layer.provideMerge(RedisClient.layerUrl(redis.url)),
        Layer.provide(CoreConfig.layerWith({ clockOffsetMillis: aheadMillis }))
      )
    )
  )
  const budgets = yield* DayBudgets.make(Context.get(context, RateLimiter.RateLimiter)).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
  )
  /** A call that is expected to use so much, and used `used`; `made`, or why not. */
  const call = (owner: string, expected: Spending, used: Spending = expected) =>
    budgets
      .within({ provider: "openai", model: "gpt-5.2", owner }, expected, (spent) =>
        Effect.sync(() => {
          spent(used)
          return "made"
        })
      )
      .pipe(
        Effect.catch((error) => Effect.succeed(error._tag)),
        Effect.provideService(Attempt, { place: "a-job/vision", untimed: (wait) => wait })
      )
  return {
    call,
    areInMoney: budgets.areInMoney,
    keys: Context.get(context, RedisClient.RedisClient).send("KEYS", "*line*")
  }
})
const tokens = (number: number): Spending => ({ tokens: number, cost: 1 })

it.live(
  "a user's day ends at USER_DAY_BUDGET, for that user alone and in every worker, and DAY_BUDGET ends everybody's",
  () =>
    Effect.gen(function* () {
      const one = yield* worker({ USER_DAY_BUDGET: "1000 tokens", DAY_BUDGET: "1500 tokens" })
      const other = yield* worker({ USER_DAY_BUDGET: "1000 tokens", DAY_BUDGET: "1500 tokens" })
      expect(yield* one.call("ann", tokens(800))).toBe("made")
      expect(yield* other.call("ann", tokens(300))).toBe("UserBudgetSpent")
      expect(yield* other.call("bob", tokens(600))).toBe("made")
      expect(yield* one.call("eve", tokens(300))).toBe("DayBudgetSpent")
      expect(yield* one.call("eve", tokens(50))).toBe("made")
    })
)

it.live("a budget counts what calls have cost, not what they were expected to", () =>
  Effect.gen(function* () {
    const { call } = yield* worker({ USER_DAY_BUDGET: "1000 tokens" })
    expect(yield* call("ann", tokens(900), tokens(100))).toBe("made")
    expect(yield* call("ann", tokens(900), tokens(0))).toBe("made")
    // more than expected counts too
    expect(yield* call("ann", tokens(300), tokens(850))).toBe("made")
    expect(yield* call("ann", tokens(100))).toBe("UserBudgetSpent")
  })
)

it.live("a budget in money counts money, and one in tokens tokens", () =>
  Effect.gen(function* () {
    const money = yield* worker({ DAY_BUDGET: "0.001" })
    expect(money.areInMoney).toBe(true)
    expect(yield* money.call("ann", { tokens: 1_000_000, cost: 900 })).toBe("made")
    expect(yield* money.call("ann", { tokens: 1, cost: 200 })).toBe("DayBudgetSpent")
    const counted = yield* worker({ USER_DAY_BUDGET: "1000 tokens" })
    expect(counted.areInMoney).toBe(false)
    expect(yield* counted.call("bob", { tokens: 900, cost: 1_000_000 })).toBe("made")
  })
)

it.live("a day is 24 hours, and a call without room is refused at once and stands in no line", () =>
  Effect.gen(function* () {
    const env = { USER_DAY_BUDGET: "1000 tokens" }
    const now = yield* worker(env)
    expect(yield* now.call("ann", tokens(1_000))).toBe("made")
    expect(yield* now.call("ann", tokens(500))).toBe("UserBudgetSpent")
    expect(yield* now.keys).toEqual([])
    expect(yield* (yield* worker(env, 20 * hour)).call("ann", tokens(500))).toBe("UserBudgetSpent")
    expect(yield* (yield* worker(env, 25 * hour)).call("ann", tokens(500))).toBe("made")
  })
)

it.live("no budget bounds nothing", () =>
  Effect.gen(function* () {
    const { areInMoney, call } = yield* worker({})
    expect([areInMoney, yield* call("ann", tokens(1e9))]).toEqual([false, "made"])
  })
)
