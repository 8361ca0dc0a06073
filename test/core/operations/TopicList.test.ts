/** The operators' list of topics: events, what the log keeps, the state's fields, and ages. */
import { expect, it } from "@effect/vitest"
import { TopicList } from "@eco2/core/operations"
import { Effect, Layer } from "effect"
import * as Fleet from "../CoreFixture.ts"
import { priced, publish } from "../topic/TopicFixture.ts"

const redis = Fleet.privateRedis()

it.live(
  "the list of topics tells of each its events, fields and ages, and of one without events that there are none",
  () =>
    Effect.gen(function* () {
      const process = yield* Fleet.joined(redis.url)
      const list = (...names: ReadonlyArray<string>) =>
        process.run(
          Effect.provide(
            TopicList.TopicList.use((topics) => Effect.orDie(topics.list(names))),
            Layer.fresh(TopicList.layer)
          )
        )
      const none = { events: 0, kept: 0, fields: 0, last: null, oldest: null }
      expect(yield* list("shop.prices", "shop.other")).toEqual([
        { name: "shop.prices", ...none },
        { name: "shop.other", ...none }
      ])
      yield* publish(process, priced("tea", 300))
      const [first] = yield* list("shop.prices")
      yield* publish(process, priced("tea", 310))
      yield* publish(process, priced("cake", 450))
      const [all] = yield* list("shop.prices")
      expect(first).toEqual({
        name: "shop.prices",
        events: 1,
        kept: 1,
        fields: 1,
        last: first?.oldest,
        oldest: expect.any(Number)
      })
      expect(all).toMatchObject({ events: 3, kept: 3, fields: 2, oldest: first?.oldest })
      expect(all?.last).toBeGreaterThanOrEqual(first?.last ?? Infinity)
    })
)
