/** The permits of each limit are renewed separately: limits may be on different servers, and one of these may be away. */
import { expect, it } from "@effect/vitest"
import { Limit } from "@eco2/core"
import { Keys, RedisClient } from "@eco2/core/redis"
import { Deferred, Effect } from "effect"
import { RedisRefused } from "../../../packages/core/src/redis/RedisError.ts"
import * as LimitStore from "../../../packages/core/src/limit/LimitStore.ts"
import * as Permits from "../../../packages/core/src/limit/Permits.ts"
import * as Fleet from "../CoreFixture.ts"
import { process } from "./LimitFixture.ts"

const redis = Fleet.privateRedis()
const leaseMillis = 600

for (const [how, trouble] of [
  ["refuses", Effect.fail(new RedisRefused({ command: "limit-renew", code: "ERR", reply: "no" }))],
  ["does not answer", Effect.never]
] as const) {
  it.live(`L1 a limit whose server ${how} does not delay the renewal of another limit's permits`, () =>
    Effect.gen(function* () {
      const one = yield* process(redis.url)
      const store = LimitStore.make(yield* one.run(RedisClient.RedisClient), { clockOffsetMillis: 0, leaseMillis })
      const lineOf = (name: string): LimitStore.Line => ({
        limit: Limit.make(name, { permits: 1 }),
        keys: Keys.limit(name)
      })
      const away = ["away-1", "away-2", "away-3"].map(lineOf)
      const well = lineOf("well")
      const permits = yield* Permits.make(
        { renew: (line, ids) => (away.includes(line) ? trouble : store.renew(line, ids)) },
        leaseMillis
      )
      const hold = Effect.fnUntraced(function* (line: LimitStore.Line) {
        const sentAt = performance.now()
        const answer = yield* store.take({ line, id: line.limit.name, place: null, units: 1, patienceMillis: 0 })
        expect(answer.verdict).toBe("granted")
        return yield* permits.hold(line, line.limit.name, sentAt)
      })
      // those that are away come first
      yield* Effect.forEach(away, hold)
      const lost = yield* hold(well)
      const score = Effect.map(one.send("ZSCORE", well.keys.held, "well"), Number)
      const first = yield* score
      yield* Fleet.until(score, (expiry) => expiry > first + 2 * leaseMillis)
      expect(Deferred.isDoneUnsafe(lost)).toBe(false)
    })
  )
}
