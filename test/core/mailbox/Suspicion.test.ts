/** Who is to blame for a crash (A2): the rules alone, and what they come to on a simulated fleet. Redis has no part in it. */
import { describe, expect, it } from "vitest"
import * as Suspicion from "../../../packages/core/src/mailbox/Suspicion.ts"
import { play } from "./CrashingFleet.ts"
import type { Plan } from "./CrashingFleet.ts"

const calm: Suspicion.Fleet = { crashes: 0, processes: 2 }
const record = (crashes: number, alone = 0) => Suspicion.read(crashes + 1_000 * alone)
const judged = (history: Suspicion.History, fleet: Suspicion.Fleet = { ...calm, crashes: history.crashes }) =>
  Suspicion.judge(history, false, fleet, 100)

describe("an entry's history", () => {
  it("A2 a record counts crashes, and among them those while the entry ran alone", () => {
    let stored = 0
    for (const alone of [false, false, true, false, true]) stored = Suspicion.crashed(stored, alone)
    expect(Suspicion.read(stored)).toEqual({ crashes: 5, alone: 2, unreported: 0 })
    expect(Suspicion.read(3_002_005)).toEqual({ crashes: 5, alone: 2, unreported: 3 })
  })
})

describe("an entry that was in work at every crash of the fleet", () => {
  it("A2 a suspect's group halves with each crash down to one, and then it runs with nothing beside it", () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8].map((crashes) => judged(record(crashes)))).toEqual([
      ...[50, 25, 12, 6, 3, 1].map((group) => ({ _tag: "run", group })),
      { _tag: "alone" },
      { _tag: "alone" }
    ])
  })

  it("A2 an entry is given up when its process died twice while it ran alone, and not before", () => {
    expect(judged(record(9, 2))).toEqual({ _tag: "guilty" })
    expect(judged(record(9, 1))).toEqual({ _tag: "alone" })
    expect(judged(record(30, 0))).toEqual({ _tag: "alone" })
  })

  it("A2 a suspect in a process of one slot is given up no earlier than in one of a hundred", () => {
    const small = (crashes: number, alone: number) =>
      Suspicion.judge(record(crashes, alone), false, { crashes, processes: 1 }, 1)._tag
    expect([small(1, 0), small(6, 0), small(7, 0), small(8, 1), small(9, 2)]).toEqual([
      ...["run", "run", "alone", "alone", "guilty"]
    ])
  })
})

describe("an entry in a fleet whose processes die without it too", () => {
  it("A2 crashes that an entry's process would have had without it do not add up: its level is what it has beyond them", () => {
    const fleet = { crashes: 21, processes: 2 }
    expect(Suspicion.level(record(9), fleet)).toBe(3)
    expect(Suspicion.level(record(3), fleet)).toBe(0)
    expect(judged(record(9), fleet)).toEqual({ _tag: "run", group: 12 })
  })

  it("A2 an entry that died alone twice is not given up while its fleet's processes die as often without it", () => {
    expect(judged(record(12, 2), { crashes: 36, processes: 2 })._tag).toBe("run")
  })
})

describe("an entry whose runs end without a report in a process that lives", () => {
  it("A2 an entry is given up after five runs without a report in living processes, and belongs to no group before", () => {
    const verdicts = [1, 4, 5].map((times) => judged(Suspicion.read(times * 1_000_000)))
    expect(verdicts).toEqual([{ _tag: "run", group: Infinity }, { _tag: "run", group: Infinity }, { _tag: "guilty" }])
  })
})

describe("the pause before a suspect runs", () => {
  it("A2 a suspect runs at once after two crashes, and pauses from 2 s up to 30 s after each further one", () => {
    const pauses = [1, 2, 3, 4, 5, 6, 7, 8].map((crashes) => {
      const verdict = Suspicion.judge(record(crashes), true, { crashes, processes: 2 }, 100)
      return verdict._tag === "pause" ? verdict.millis : 0
    })
    expect(pauses).toEqual([0, 0, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  })
})

const plan: Plan = { seed: 0, processes: 2, slots: 100, jobs: 200, deadly: 0, killsUntil: 0, flapping: 2 }
const seeds = Array.from({ length: 20 }, (_, i) => i + 1)
const each = (changes: Partial<Plan>) => seeds.map((seed) => play({ ...plan, ...changes, seed }))

describe("a simulated fleet", () => {
  it("A2 one deadly entry among 200 is found within ten crashes, and all others are done", () => {
    for (const { done, found, innocent } of each({ deadly: 1 })) {
      expect([done, innocent, found.length]).toEqual([199, 0, 1])
      expect(found[0]).toBeLessThanOrEqual(10)
    }
  })

  it("A2 two processes killed in turn every 3–8 s for five minutes cost no harmless entry its life", () => {
    for (const { done, innocent } of each({ killsUntil: 300 })) expect([done, innocent]).toEqual([200, 0])
  })

  it("A2 two processes killed in turn without an end finish all entries nevertheless", () => {
    const ends = each({ killsUntil: Infinity }).map(({ done, innocent, seconds }) => [done, innocent, seconds < 1_800])
    expect(ends).toEqual(seeds.map(() => [200, 0, true]))
  })

  it("A2 one process of three that flaps costs no harmless entry its life", () => {
    for (const { innocent } of each({ processes: 3, flapping: 1, killsUntil: Infinity })) expect(innocent).toBe(0)
  })

  it("A2 two deadly entries at once are both found, and no harmless one is given up", () => {
    for (const { done, found, innocent } of each({ deadly: 2 }))
      expect([done, innocent, found.length]).toEqual([198, 0, 2])
  })

  it("A2 five deadly entries at once are all found, and no harmless one is given up", () => {
    for (const { done, found, innocent } of each({ deadly: 5 }))
      expect([done, innocent, found.length]).toEqual([195, 0, 5])
  })

  it("A2 a deadly entry in a flapping fleet is found when the flapping is over", () => {
    for (const { done, found, innocent } of each({ deadly: 1, killsUntil: 300 }))
      expect([done, innocent, found.length]).toEqual([199, 0, 1])
  })
})
