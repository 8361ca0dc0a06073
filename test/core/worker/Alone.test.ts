/**
 * An entry that keeps killing its process (A2) runs alone before it is buried, to tell it from those that ran beside it; for
 * jobs and for messages without a job.
 */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Schema } from "effect"
import { Actor, Behavior, Mailbox } from "@eco2/core"
import { Keys } from "@eco2/core/redis"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const Printer = Actor.make("printer", { Print: Actor.tell({ payload: Schema.Struct({ text: Schema.String }) }) })

/** Keeps a list of what begins, and of how many are in work at that moment; each is held until told to go on. */
const makeBench = Effect.gen(function* () {
  const begun: Array<{ readonly name: string; readonly beside: number }> = []
  const gates = new Map<string, Deferred.Deferred<void>>()
  let inWork = 0
  const gateOf = (name: string) => {
    const known = gates.get(name) ?? Deferred.makeUnsafe<void>()
    gates.set(name, known)
    return known
  }
  return {
    begun,
    work: (name: string) =>
      Effect.suspend(() => {
        begun.push({ name, beside: inWork++ })
        return Effect.ensuring(
          Deferred.await(gateOf(name)),
          Effect.sync(() => void inWork--)
        )
      }),
    goOn: (name: string) => Deferred.succeed(gateOf(name), undefined),
    has: (name: string) =>
      Fleet.until(
        Effect.sync(() => begun.map((one) => one.name)),
        (names) => names.includes(name)
      )
  }
})
const condemned = (client: Fleet.Process<Fleet.Services>) => client.send("ZADD", keyNames.alive, 1, "victim")

describe("a job that was begun three times without a settled result", () => {
  /** Begun by a process that dies of it, so often that the next begin finds `deliveries` unsettled ones. */
  const deadly = Effect.fnUntraced(function* (client: Fleet.Process<Fleet.Services>, deliveries: number) {
    const victim = yield* Fleet.byHand(client, "victim")
    const id = yield* client.run(Fleet.submit({ owner: "deadly" }))
    const [holding] = yield* victim.read("weigh")
    for (let n = 0; n < deliveries; n++) yield* client.run(Fleet.begin({ ...holding!, token: `victim:${n}` }))
    return id
  })
  const weighing = (bench: Effect.Success<typeof makeBench>) =>
    Fleet.parcelBehaviors({ weigh: (_, job) => Effect.as(bench.work(job.id), { grams: 1 }) })

  it.live("A2 a job that killed three processes runs alone: begun after all others, with none begun beside it", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const suspect = yield* deadly(client, 3)
      const bench = yield* makeBench
      const worker = yield* Fleet.working(redis.url, weighing(bench))
      const before = yield* client.run(Fleet.submit())
      yield* bench.has(before)
      yield* condemned(client)
      yield* Fleet.until(Fleet.hashOf(client, suspect), ({ deliveries }) => deliveries === "3")
      const after = yield* client.run(Fleet.submit())
      expect(bench.begun.map(({ name }) => name)).toEqual([before])
      yield* bench.goOn(before)
      yield* bench.has(suspect)
      // the one before was handed off to its next stage, and waits there like the one submitted meanwhile
      expect(yield* client.run(Fleet.jobOf(before))).toMatchObject({ at: "label", state: "waiting" })
      expect(bench.begun.map(({ name }) => name)).toEqual([before, suspect])
      expect(bench.begun[1]).toMatchObject({ beside: 0 })
      yield* bench.goOn(suspect)
      yield* bench.has(after)
      yield* bench.goOn(after)
      for (const id of [before, suspect, after]) {
        yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      }
    })
  )

  it.live("A2 a job that killed two processes begins beside other work", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const bystander = yield* deadly(client, 2)
      const bench = yield* makeBench
      yield* Fleet.working(redis.url, weighing(bench))
      const before = yield* client.run(Fleet.submit())
      yield* bench.has(before)
      yield* condemned(client)
      yield* bench.has(bystander)
      expect(bench.begun[1]).toMatchObject({ name: bystander, beside: 1 })
    })
  )

  it.live("A2 two jobs that killed three processes each run one after the other, never side by side", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const one = yield* deadly(client, 3)
      const other = yield* deadly(client, 3)
      const bench = yield* makeBench
      yield* condemned(client)
      yield* Fleet.working(redis.url, weighing(bench))
      yield* Fleet.until(
        Effect.sync(() => bench.begun.length),
        (count) => count > 0
      )
      const [first = { name: "", beside: 1 }] = bench.begun
      yield* bench.goOn(first.name)
      yield* bench.has(first.name === one ? other : one)
      expect(bench.begun.map(({ beside }) => beside)).toEqual([0, 0])
    })
  )

  it.live("A5 a job that waits to run alone is handed back when its process stops", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const suspect = yield* deadly(client, 3)
      const bench = yield* makeBench
      const worker = yield* Fleet.working(redis.url, weighing(bench))
      const before = yield* client.run(Fleet.submit())
      yield* bench.has(before)
      yield* condemned(client)
      yield* Fleet.until(Fleet.hashOf(client, suspect), ({ deliveries }) => deliveries === "3")
      yield* worker.stop
      expect(yield* client.run(Fleet.jobOf(suspect))).toMatchObject({ state: "waiting", attempts: 3 })
      expect(bench.begun.map(({ name }) => name)).toEqual([before])
    })
  )
})

describe("a message that killed its processes", () => {
  /** In the hands of a process that is dead, delivered this often. */
  const deadly = Effect.fnUntraced(function* (client: Fleet.Process<Fleet.Services>, deliveries: number) {
    yield* Fleet.byHand(client, "victim")
    yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("printer")))
    yield* client.run(Printer.tell("ann", "Print", { text: "deadly" }))
    const key = keyNames.partitions(4)[Keys.partitionOf("ann", 4)]!.mailbox("printer")
    yield* client.send("XREADGROUP", "GROUP", "workers", "victim", "STREAMS", key, ">")
    const [entry] = (yield* client.send("XRANGE", key, "-", "+")) as ReadonlyArray<readonly [string, unknown]>
    for (let n = 1; n < deliveries; n++) yield* client.send("XCLAIM", key, "workers", "victim", 0, entry![0])
  })
  const printing = (bench: Effect.Success<typeof makeBench>) => {
    const handlers: Behavior.Handlers<(typeof Printer)["protocol"], never, never> = {
      Print: ({ text }) => bench.work(text)
    }
    return Behavior.layer(Printer, Effect.succeed(handlers))
  }

  it.live("A2 a message that killed three processes is handled with no other work beside it", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* deadly(client, 3)
      const bench = yield* makeBench
      const worker = yield* Fleet.working(redis.url, printing(bench))
      yield* client.run(Printer.tell("bob", "Print", { text: "before" }))
      yield* bench.has("before")
      yield* condemned(client)
      yield* Fleet.until(Fleet.consumersOf(client, "printer"), ({ victim = 0 }) => victim === 0)
      yield* worker.run(Fleet.depthOf("printer"))
      yield* bench.goOn("before")
      yield* bench.has("deadly")
      expect(bench.begun).toEqual([
        { name: "before", beside: 0 },
        { name: "deadly", beside: 0 }
      ])
    })
  )

  it.live("A2 a message that killed five processes becomes a dead letter, and its handler is not called", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* deadly(client, 5)
      yield* condemned(client)
      const bench = yield* makeBench
      yield* Fleet.working(redis.url, printing(bench))
      const letters = yield* Fleet.until(Fleet.lettersOf(client, "printer"), (all) => all.length > 0)
      expect(letters).toMatchObject([{ cause: "DeliveriesExhausted", type: "Print", body: '{"text":"deadly"}' }])
      expect(bench.begun).toEqual([])
      expect(yield* client.run(Fleet.depthOf("printer"))).toBe(0)
    })
  )

  it.live("A2 a message that killed two processes is handled beside other work", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* deadly(client, 2)
      const bench = yield* makeBench
      yield* Fleet.working(redis.url, printing(bench))
      yield* client.run(Printer.tell("bob", "Print", { text: "before" }))
      yield* bench.has("before")
      yield* condemned(client)
      yield* bench.has("deadly")
      expect(bench.begun[1]).toEqual({ name: "deadly", beside: 1 })
    })
  )
})
