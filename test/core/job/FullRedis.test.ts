/** A Redis whose memory is used up takes no new job, and lets the accepted ones go on to their ends (J1). */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { JobStore } from "@eco2/core"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()

const ground = Effect.gen(function* () {
  const client = yield* Fleet.joined(redis.url)
  const hand = yield* Fleet.byHand(client, "hand")
  const id = yield* client.run(Fleet.submit())
  /** While Redis has no room for any write that needs memory. */
  const whenFull = <A, E>(act: Effect.Effect<A, E>) =>
    Effect.andThen(client.send("CONFIG", "SET", "maxmemory", 1), act).pipe(
      Effect.ensuring(client.send("CONFIG", "SET", "maxmemory", 0))
    )
  return { client, hand, id, whenFull }
})
const stateOf = (client: Fleet.Process<Fleet.Services>, id: JobStore.Holding["id"]) =>
  Effect.map(client.run(Fleet.jobOf(id)), ({ state }) => state)

// the limit is one server's
describe.skipIf(Fleet.onCluster)("a full Redis", () => {
  it.live("a full Redis refuses a submit with RedisFull, and takes it when there is room again", () =>
    Effect.gen(function* () {
      const { client, whenFull } = yield* ground
      expect(yield* whenFull(Effect.flip(client.run(Fleet.submit())))).toMatchObject({ _tag: "RedisFull" })
      yield* client.run(Fleet.submit())
    })
  )

  it.live("J1 a full Redis lets a job be begun, kept, handed off and ended", () =>
    Effect.gen(function* () {
      const { client, hand, id, whenFull } = yield* ground
      const [first] = yield* hand.read("weigh")
      expect((yield* whenFull(client.run(Fleet.begin(first!))))._tag).toBe("Run")
      expect((yield* whenFull(client.run(Fleet.commit(first!)))).outcome).toBe("committed")
      // its commit deletes nothing that would make room
      const { kept, outcome } = yield* whenFull(
        Effect.flatMap(hand.take("label"), (two) => client.run(Fleet.keep(two)))
      )
      expect(outcome).toBe("kept")
      expect((yield* whenFull(client.run(Fleet.commit(kept)))).outcome).toBe("ended")
      expect(yield* stateOf(client, id)).toBe("done")
    })
  )

  it.live("J1 a full Redis lets a job be put off and come back when its time has come", () =>
    Effect.gen(function* () {
      const { client, hand, id, whenFull } = yield* ground
      const holding = yield* hand.take("weigh")
      expect(yield* whenFull(client.run(Fleet.defer(holding)))).toBe("deferred")
      const later = yield* Fleet.joined(redis.url, { clockOffsetMillis: 61_000 })
      yield* whenFull(later.run(Fleet.promote))
      expect(yield* stateOf(client, id)).toBe("waiting")
    })
  )

  it.live("J1 a full Redis lets a job be given up, and put back by an operator", () =>
    Effect.gen(function* () {
      const { client, hand, id, whenFull } = yield* ground
      const holding = yield* hand.take("weigh")
      expect(yield* whenFull(client.run(Fleet.bury(holding)))).toBe("buried")
      expect(yield* stateOf(client, id)).toBe("failed")
      const redrive = client.run(JobStore.JobStore.use((store) => store.redrive(id)))
      expect(yield* whenFull(redrive)).toBe("redriven")
      expect(yield* stateOf(client, id)).toBe("waiting")
    })
  )

  it.live(
    "J7 a full Redis lets a job be cancelled that waits in its mailbox, and one that waits in its user's lane",
    () =>
      Effect.gen(function* () {
        const { client, id, whenFull } = yield* ground
        const limited = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
        yield* limited.run(Fleet.submit({ owner: "ann" }))
        const second = yield* limited.run(Fleet.submit({ owner: "ann" }))
        expect(yield* stateOf(client, second)).toBe("lane")
        for (const waiting of [id, second]) {
          expect(yield* whenFull(limited.run(Fleet.cancel(waiting)))).toBe("cancelled")
          expect(yield* stateOf(client, waiting)).toBe("cancelled")
        }
      })
  )
})
