/** The permits of each limit are renewed separately: limits may be on different servers, and one of these may be away. */
import { expect, it } from "@effect/vitest"
import { Limit } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { Deferred, Effect, Fiber, Ref } from "effect"
import { RedisRefused } from "../../../packages/core/src/redis/RedisError.ts"
import * as LimitStore from "../../../packages/core/src/limit/LimitStore.ts"
import * as Permits from "../../../packages/core/src/limit/Permits.ts"
import * as Fleet from "../CoreFixture.ts"
import { grant, process } from "./LimitFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const leaseMillis = 600

it.live(
  "L1 a renewal whose answer is slow counts from its sending: whoever holds it ends before another is granted it",
  () =>
    Effect.gen(function* () {
      const lease = 1_200
      const one = yield* process(redis.url, { lease })
      const store = LimitStore.make(yield* one.run(RedisClient.RedisClient), {
        clockOffsetMillis: 0,
        leaseMillis: lease
      })
      const limit = Limit.make("slow", { permits: 1 })
      const line = { limit, keys: keyNames.limit("slow") }
      let renewals = 0
      const permits = yield* Permits.make(
        {
          // the first is answered late, the others never
          renew: (of, ids, which) =>
            renewals++ === 0 ? Effect.tap(store.renew(of, ids, which), () => Effect.sleep("350 millis")) : Effect.never
        },
        lease
      )
      const sentAt = performance.now()
      yield* store.take({ line, id: "holder", place: null, units: 1, patienceMillis: 0 })
      const lost = yield* permits.hold(line, "holder", sentAt)
      const order: Array<string> = []
      const granted = yield* Effect.forkChild(
        Effect.tap(one.run(grant(limit, { patience: "20 seconds" })), () => Effect.sync(() => order.push("granted")))
      )
      yield* Effect.ensuring(
        Effect.flip(Deferred.await(lost)),
        Effect.sync(() => order.push("ended"))
      )
      yield* Fiber.join(granted)
      expect([order, renewals > 1]).toEqual([["ended", "granted"], true])
    })
)

it.live("L1 a permit renewed in time is kept though Redis's clock stepped forward and another was granted it", () =>
  Effect.gen(function* () {
    const one = yield* process(redis.url)
    const client = yield* one.run(RedisClient.RedisClient)
    const [before, after] = [0, 600_000].map((clockOffsetMillis) =>
      LimitStore.make(client, { clockOffsetMillis, leaseMillis })
    )
    const line = { limit: Limit.make("stepped", { permits: 1 }), keys: keyNames.limit("stepped") }
    const asked = { line, place: null, units: 1, patienceMillis: 0 }
    const renewals = yield* Ref.make(0)
    let store = before!
    const permits = yield* Permits.make(
      { renew: (...of) => Effect.tap(store.renew(...of), () => Ref.update(renewals, (n) => n + 1)) },
      leaseMillis
    )
    const sentAt = performance.now()
    expect((yield* store.take({ ...asked, id: "holder" })).verdict).toBe("granted")
    const lost = yield* permits.hold(line, "holder", sentAt)
    yield* Fleet.until(Ref.get(renewals), (count) => count >= 1)
    store = after!
    expect((yield* store.take({ ...asked, id: "other" })).verdict).toBe("granted")
    const seen = yield* Ref.get(renewals)
    yield* Fleet.until(Ref.get(renewals), (count) => count >= seen + 4)
    expect(Deferred.isDoneUnsafe(lost)).toBe(false)
    // and while it is held, the limit gives nothing out
    expect((yield* store.take({ ...asked, id: "third" })).verdict).toBe("refused")
  })
)

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
        keys: keyNames.limit(name)
      })
      const away = ["away-1", "away-2", "away-3"].map(lineOf)
      const well = lineOf("well")
      const permits = yield* Permits.make(
        { renew: (line, ids, which) => (away.includes(line) ? trouble : store.renew(line, ids, which)) },
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
