/**
 * A case found by the fault suite, played by hand: a process freezes during a read, is declared dead, and begins what it read
 * only after another process has taken over the entries and works on them.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fleet from "../core/CoreFixture.ts"

const redis = Fleet.privateRedis()

/** "frozen" has read a job and not begun it; "heir" has taken it over and begun it. */
const takenOver = Effect.gen(function* () {
  const client = yield* Fleet.joined(redis.url)
  const frozen = yield* Fleet.byHand(client, "frozen")
  const id = yield* client.run(Fleet.submit())
  const [late] = yield* frozen.read("weigh")
  const [holding] = yield* Fleet.inherit(client, "frozen", "heir", "weigh")
  expect((yield* client.run(Fleet.begin(holding!)))._tag).toBe("Run")
  return { client, id, late: late!, holding: holding! }
})

describe("a begin by a process declared dead", () => {
  it.live("A1 a late begin by a dead process is dropped while its heir works on the stage", () =>
    Effect.gen(function* () {
      const { client, holding, id, late } = yield* takenOver
      const before = yield* Fleet.hashOf(client, id)
      expect(yield* client.run(Fleet.begin(late))).toEqual({ _tag: "Dropped", reason: "moved" })
      expect(yield* Fleet.hashOf(client, id)).toEqual(before)
      expect((yield* client.run(Fleet.commit(holding))).outcome).toBe("committed")
    })
  )

  it.live("A1 J2 a late begin by a dead process is dropped after its heir has kept the job for its next stage", () =>
    Effect.gen(function* () {
      const { client, holding, id, late } = yield* takenOver
      const { kept, outcome } = yield* client.run(Fleet.keep(holding))
      expect(outcome).toBe("kept")
      const before = yield* Fleet.hashOf(client, id)
      expect(yield* client.run(Fleet.begin(late))).toEqual({ _tag: "Dropped", reason: "moved" })
      expect(yield* Fleet.hashOf(client, id)).toEqual(before)
      expect((yield* client.run(Fleet.commit(kept))).outcome).toBe("committed")
    })
  )

  it.live("A1 an heir's begin counts although the dead process's late begin came first", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const frozen = yield* Fleet.byHand(client, "frozen")
      yield* client.run(Fleet.submit())
      const [late] = yield* frozen.read("weigh")
      const [holding] = yield* Fleet.inherit(client, "frozen", "heir", "weigh")
      yield* client.run(Fleet.begin(late!))
      // the first holder died while the job ran: the job is a suspect (A2), and runs in its turn
      expect((yield* client.run(Fleet.begin(holding!)))._tag).toBe("Suspect")
      expect((yield* client.run(Fleet.begin(holding!, "run")))._tag).toBe("Run")
      expect(yield* client.run(Fleet.defer(late!))).toBe("lost")
      expect((yield* client.run(Fleet.commit(holding!))).outcome).toBe("committed")
    })
  )
})
