/**
 * The slots of a process: kept and read jobs together never exceed a stage's concurrency, in any order of events, and neither
 * kind starves the other.
 */
import { afterEach, describe, expect, it, vi } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Ending from "../../../packages/core/src/worker/Ending.ts"
import { Workload } from "../../../packages/core/src/worker/Workload.ts"
import type { Delivery } from "../../../packages/core/src/mailbox/Delivery.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const partition = keyNames.partitions(1)[0]!
const concurrencies = { weigh: 5, label: 8, ship: 3, single: 1 }
const names = Object.keys(concurrencies)
let entries = 0

const serving = (stages: Readonly<Record<string, number>>) => {
  const workload = new Workload()
  for (const [mailbox, concurrency] of Object.entries(stages)) {
    workload.servers.set(mailbox, { mailbox, concurrency, timeoutMillis: () => null, take: () => Effect.void })
  }
  return workload
}
const taken = (workload: Workload, mailbox: string) => {
  const delivery = workload.add(partition, mailbox, "me", [`${entries++}-0`, []])
  if (delivery === null) throw new Error("an entry's id is its own")
  return delivery
}
/** Numbers in [0, 1), the same for the same seed. */
const random = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

afterEach(() => vi.restoreAllMocks())

describe("a delivery that runs alone", () => {
  it("A2 a delivery that runs alone leaves no free slot and pauses every read until it is finished", async () => {
    const workload = serving(concurrencies)
    const suspect = taken(workload, "weigh")
    const waits = Effect.runFork(workload.alone(suspect))
    await Effect.runPromise(Fiber.join(waits))
    expect(names.map((name) => workload.free(name))).toEqual(names.map(() => 0))
    expect(names.map((name) => workload.reserve(name))).toEqual(names.map(() => false))
    expect(workload.paused).toBe(true)
    workload.finish(suspect)
    expect(names.map((name) => workload.free(name))).toEqual(Object.values(concurrencies))
    expect(workload.paused).toBe(false)
  })

  it("A2 no suspect joins a group while another runs alone or waits to, and each is let in afterwards", async () => {
    const workload = serving(concurrencies)
    const [alone, other] = [taken(workload, "weigh"), taken(workload, "label")]
    const waits = Effect.runFork(workload.alone(alone))
    expect([workload.isReserved, workload.joinGroup(other, 4)]).toEqual([true, false])
    workload.finish(other)
    await Effect.runPromise(Fiber.join(waits))
    const late = taken(workload, "label")
    expect(workload.joinGroup(late, 4)).toBe(false)
    workload.finish(alone)
    expect(workload.joinGroup(late, 4)).toBe(true)
  })

  /** Serves a stage with this time-out, has one attempt of it running, and lets a suspect wait to run alone. */
  const waiting = Effect.fnUntraced(function* (timeout: Duration.Input | null) {
    const workload = serving({ weigh: 5 })
    const timeoutMillis = timeout === null ? null : Duration.toMillis(timeout)
    workload.servers.set("ship", {
      mailbox: "ship",
      concurrency: 3,
      timeoutMillis: () => timeoutMillis,
      take: () => Effect.void
    })
    const running = taken(workload, "ship")
    const waits = yield* Effect.forkChild(workload.alone(taken(workload, "weigh")), { startImmediately: true })
    return { workload, running, waits }
  })

  it.effect(
    "A2 a suspect that must run alone beside an attempt of a stage with 24 hours waits until that has ended",
    () =>
      Effect.gen(function* () {
        const { running, waits, workload } = yield* waiting("24 hours")
        yield* TestClock.adjust("23 hours")
        expect(waits.pollUnsafe()).toBeUndefined()
        workload.finish(running)
        expect(yield* Fiber.join(waits)).toBe(true)
      })
  )

  it.effect.each([
    ["24 hours", "24 hours"],
    ["2 minutes", "9 minutes"],
    [null, "9 minutes"]
  ] as const)(
    "A2 a suspect that must run alone beside an attempt that does not end with its time-out of %s begins nothing, and the others go on",
    ([timeout, after]) =>
      Effect.gen(function* () {
        const { waits, workload } = yield* waiting(timeout)
        yield* TestClock.adjust(after)
        expect([waits.pollUnsafe(), workload.paused]).toEqual([undefined, true])
        yield* TestClock.adjust("2 minutes")
        expect(yield* Fiber.join(waits)).toBe(false)
        expect(workload.paused).toBe(false)
      })
  )
})

describe("the slots of a process", () => {
  it("kept and read jobs together never exceed a stage's concurrency, and every slot comes back", () => {
    let at = 0
    vi.spyOn(performance, "now").mockImplementation(() => at)
    for (let seed = 1; seed <= 60; seed++) {
      const next = random(seed)
      const pick = <A>(from: ReadonlyArray<A>) => from[Math.floor(next() * from.length)]
      const workload = serving(concurrencies)
      const held: Array<Delivery> = []
      const promises: Array<{ readonly delivery: Delivery; readonly mailbox: string }> = []
      const reads: Array<{ readonly mailbox: string; readonly slots: number }> = []
      const steps = {
        readBegins: () => {
          const mailbox = pick(names)!
          const slots = Math.ceil(next() * workload.readable(mailbox))
          workload.ask(mailbox, slots)
          reads.push({ mailbox, slots })
        },
        readEnds: () => {
          const read = reads.splice(Math.floor(next() * reads.length), 1)[0]
          if (read === undefined) return
          const brought = Math.floor(next() * (read.slots + 1))
          if (brought === read.slots) workload.crowded.add(read.mailbox)
          else workload.crowded.delete(read.mailbox)
          for (let i = 0; i < brought; i++) held.push(taken(workload, read.mailbox))
          workload.ask(read.mailbox, -read.slots)
        },
        reserves: () => {
          const delivery = pick(held.filter((one) => promises.every((promise) => promise.delivery !== one)))
          const mailbox = pick(names.filter((name) => name !== delivery?.slot && name !== delivery?.mailbox))!
          if (delivery !== undefined && workload.reserve(mailbox)) promises.push({ delivery, mailbox })
        },
        redeems: () => {
          const promise = promises.splice(Math.floor(next() * promises.length), 1)[0]
          if (promise === undefined) return
          if (next() < 0.7) workload.move(promise.delivery, promise.mailbox)
          else workload.release(promise.mailbox)
        },
        finishes: () => {
          const delivery = pick(held)
          if (delivery === undefined || promises.some((promise) => promise.delivery === delivery)) return
          held.splice(held.indexOf(delivery), 1)
          workload.finish(delivery)
          workload.finish(delivery)
        },
        timePasses: () => void (at += next() * 600)
      }
      for (let step = 0; step < 400; step++) {
        pick(Object.values(steps))!()
        for (const [name, concurrency] of Object.entries(concurrencies)) {
          const busy = held.filter(({ slot }) => slot === name).length
          const asked = reads.reduce((sum, read) => sum + (read.mailbox === name ? read.slots : 0), 0)
          const promised = promises.filter(({ mailbox }) => mailbox === name).length
          const where = `seed ${seed}, step ${step}, ${name}`
          expect(workload.busy(name), where).toBe(busy)
          expect(workload.free(name), where).toBe(concurrency - busy - asked - promised)
          expect(workload.free(name), where).toBeGreaterThanOrEqual(0)
          expect(workload.readable(name), where).toBeLessThanOrEqual(workload.free(name))
        }
      }
      for (const { mailbox, slots } of reads) workload.ask(mailbox, -slots)
      for (const { mailbox } of promises) workload.release(mailbox)
      for (const delivery of held) workload.finish(delivery)
      at += 10_000
      for (const [name, concurrency] of Object.entries(concurrencies)) {
        expect(workload.readable(name)).toBe(concurrency)
        workload.crowded.delete(name)
        const most = Array.from({ length: 10 }, () => workload.reserve(name)).filter(Boolean).length
        expect(most).toBe(concurrency - 1)
      }
    }
  })

  for (const first of ["kept", "read", "either"] as const) {
    it(`kept and read jobs both progress when more of both wait than fit, with ${first} jobs first`, () => {
      const next = random(7)
      const workload = serving({ weigh: 100, label: 10 })
      let kept: Array<Delivery> = []
      let read: Array<Delivery> = []
      const served = { kept: 0, read: 0 }
      const keep = () => {
        while (workload.reserve("label")) {
          const delivery = taken(workload, "weigh")
          workload.move(delivery, "label")
          kept.push(delivery)
          served.kept++
        }
      }
      const look = () => {
        const slots = workload.readable("label")
        if (slots === 0) return
        workload.ask("label", slots)
        for (let i = 0; i < slots; i++) read.push(taken(workload, "label"))
        served.read += slots
        workload.crowded.add("label")
        workload.ask("label", -slots)
      }
      for (let step = 0; step < 400; step++) {
        const keepFirst = first === "kept" || (first === "either" && next() < 0.5)
        for (const take of keepFirst ? [keep, look] : [look, keep]) take()
        const all = [...kept, ...read]
        const over = all[Math.floor(next() * all.length)]
        if (over === undefined) continue
        workload.finish(over)
        kept = kept.filter((one) => one !== over)
        read = read.filter((one) => one !== over)
      }
      expect(served.kept).toBeGreaterThan(100)
      expect(served.read).toBeGreaterThan(100)
    })
  }

  it("kept jobs leave the reader one slot of their stage", () => {
    const workload = serving({ weigh: 100, label: 10 })
    while (workload.reserve("label")) workload.move(taken(workload, "weigh"), "label")
    expect(workload.busy("label")).toBe(9)
    expect(workload.readable("label")).toBe(1)
  })

  it("a stage for which no job was kept within a second has all its slots for reads", () => {
    let at = 0
    vi.spyOn(performance, "now").mockImplementation(() => at)
    const workload = serving({ label: 10 })
    expect(workload.readable("label")).toBe(10)
    workload.reserve("label")
    workload.release("label")
    expect(workload.readable("label")).toBe(5)
    at = 1_001
    expect(workload.readable("label")).toBe(10)
  })

  it("A5 a stopping process reserves no slot, nor does one that does not serve the stage", () => {
    const workload = serving({ label: 10 })
    expect(workload.reserve("ship")).toBe(false)
    workload.stopping = true
    expect(workload.reserve("label")).toBe(false)
    expect(workload.readable("label")).toBe(0)
  })

  it("a job kept over several stages holds one slot, that of its last stage, and frees it when it ends", () => {
    const workload = serving(concurrencies)
    const delivery = taken(workload, "weigh")
    for (const stage of ["label", "ship"]) {
      workload.reserve(stage)
      workload.move(delivery, stage)
    }
    expect(names.map((name) => workload.busy(name))).toEqual([0, 0, 1, 0])
    workload.finish(delivery)
    expect(names.map((name) => workload.busy(name))).toEqual([0, 0, 0, 0])
  })

  it("A1 an entry that is held here is not taken a second time, and takes no second slot", () => {
    const workload = serving({ label: 10 })
    const entry = ["1-1", []] as const
    const delivery = workload.add(partition, "label", "me", entry)
    expect(workload.add(partition, "label", "me", entry)).toBe(null)
    expect([workload.busy("label"), [...workload.deliveries.values()]]).toEqual([1, [delivery]])
  })

  it.live("A1 the take-over from the dead waits for reads under way, not for commits that may keep their jobs", () =>
    Effect.gen(function* () {
      const workload = serving({ label: 10 })
      workload.reserve("label")
      workload.ask("label", 3)
      const took = yield* Effect.forkChild(workload.exclusively(Effect.sync(() => workload.free("label"))), {
        startImmediately: true
      })
      expect(took.pollUnsafe()).toBeUndefined()
      workload.ask("label", -3)
      expect(yield* Fiber.join(took)).toBe(9)
    })
  )

  it.live("A5 a delivery whose result is on its way is not interrupted, but marked to be handed back afterwards", () =>
    Effect.gen(function* () {
      const workload = serving({ label: 10 })
      const delivery = taken(workload, "label")
      const fiber = yield* Effect.forkChild(Effect.never)
      delivery.begun(fiber)
      delivery.settle()
      yield* Ending.end(workload, delivery, "timeout")
      expect(delivery.endReason).toBe(null)
      yield* Ending.end(workload, delivery, "release")
      expect(fiber.pollUnsafe()).toBeUndefined()
      expect(delivery.endReason).toBe("release")
      yield* Ending.end(workload, delivery, "lost")
      expect(delivery.endReason).toBe("release")
    })
  )
})
