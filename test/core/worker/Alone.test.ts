/**
 * How an entry begins that was in work when processes died (A2): in a group, alone, later, or never again; for jobs and for
 * messages without a job. The rules themselves: test/core/mailbox/Suspicion.test.ts.
 */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Schema } from "effect"
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

describe("a job that was in work when processes died", () => {
  /** In the hands of "victim", which is alive until `condemned`. */
  const suspected = Effect.fnUntraced(function* (
    client: Fleet.Process<Fleet.Services>,
    record: number,
    owner = "deadly"
  ) {
    const victim = yield* Fleet.byHand(client, "victim")
    const id = yield* client.run(Fleet.submit({ owner }))
    yield* victim.read("weigh")
    yield* Fleet.suspect(client, id, record)
    return id
  })
  const weighing = (bench: Effect.Success<typeof makeBench>) =>
    Fleet.parcelBehaviors({ weigh: (_, job) => Effect.as(bench.work(job.id), { grams: 1 }) })

  it.live("A2 a job that saw seven crashes runs alone: begun after all others, with none begun beside it", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const suspect = yield* suspected(client, 7)
      const bench = yield* makeBench
      // a machine that stands for a second takes no lease: what this process runs would count as one more crash
      const worker = yield* Fleet.working(redis.url, weighing(bench), { lease: Duration.seconds(4) })
      const before = yield* client.run(Fleet.submit())
      yield* bench.has(before)
      yield* condemned(client)
      yield* Fleet.until(Fleet.consumersOf(client, "parcel.weigh"), ({ victim = 0 }) => victim === 0)
      const after = yield* client.run(Fleet.submit())
      expect(bench.begun.map(({ name }) => name)).toEqual([before])
      // nobody has begun it: a crash now is not counted
      expect(yield* Fleet.hashOf(client, suspect)).toMatchObject({ by: "", deliveries: "7" })
      yield* bench.goOn(before)
      yield* bench.has(suspect)
      // the one before was handed off to its next stage, and waits there like the one submitted meanwhile
      expect(yield* client.run(Fleet.jobOf(before))).toMatchObject({ at: "label", state: "waiting" })
      expect(bench.begun.map(({ name }) => name)).toEqual([before, suspect])
      expect(bench.begun[1]).toMatchObject({ beside: 0 })
      expect((yield* Fleet.hashOf(client, suspect)).by).toMatch(/\/alone$/)
      yield* bench.goOn(suspect)
      yield* bench.has(after)
      yield* bench.goOn(after)
      for (const id of [before, suspect, after]) {
        yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      }
    })
  )

  it.live("A2 a job that saw two crashes begins beside other work", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const bystander = yield* suspected(client, 2)
      const bench = yield* makeBench
      yield* Fleet.working(redis.url, weighing(bench))
      const before = yield* client.run(Fleet.submit())
      yield* bench.has(before)
      yield* condemned(client)
      yield* bench.has(bystander)
      expect(bench.begun[1]).toMatchObject({ name: bystander, beside: 1 })
    })
  )

  it.live("A2 a job that is run again after a crash has the same attempt, and a higher number of begins", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const victim = yield* Fleet.byHand(client, "victim")
      const id = yield* client.run(Fleet.submit())
      yield* victim.take("weigh")
      yield* condemned(client)
      const seen: Array<readonly [number, number]> = []
      yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: (_, { attempt, begins }) => Effect.sync(() => (seen.push([attempt, begins]), { grams: 1 }))
        })
      )
      yield* Fleet.until(client.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(seen).toEqual([[1, 2]])
    })
  )

  it.live("A2 suspects whose group is one run one after the other, while others begin beside them", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const ids = [yield* suspected(client, 5, "one"), yield* suspected(client, 5, "two")]
      const bench = yield* makeBench
      yield* condemned(client)
      const worker = yield* Fleet.working(redis.url, weighing(bench))
      yield* Fleet.until(
        Effect.sync(() => bench.begun.length),
        (count) => count > 0
      )
      // the other is away on a timer and does not hold a slot
      const [first = { name: "", beside: 1 }] = bench.begun
      const other = ids.find((id) => id !== first.name)!
      yield* Fleet.until(Fleet.hashOf(client, other), ({ state }) => state === "delayed")
      const fresh = yield* client.run(Fleet.submit())
      yield* bench.has(fresh)
      expect(bench.begun.map(({ name }) => name)).not.toContain(other)
      yield* bench.goOn(fresh)
      yield* bench.goOn(first.name)
      yield* bench.has(other)
      yield* bench.goOn(other)
      for (const id of [...ids, fresh]) yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
    })
  )

  it.live("A2 two jobs that saw seven crashes each run one after the other, never side by side", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const one = yield* suspected(client, 7, "one")
      const other = yield* suspected(client, 7, "two")
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

  it.live(
    "A2 a job whose process died twice while it ran alone, after seven crashes, is buried; its handler is not called",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const guilty = yield* suspected(client, 2_009)
        const bench = yield* makeBench
        yield* condemned(client)
        yield* Fleet.working(redis.url, weighing(bench))
        const job = yield* Fleet.until(client.run(Fleet.jobOf(guilty)), ({ state }) => state === "failed")
        expect(job.error).toMatchObject({ code: "DeliveriesExhausted", stage: "weigh" })
        expect(job.error?.message).toContain("died 9 times while it worked on this job, 2 of them")
        expect(yield* Fleet.lettersOf(client, "parcel.weigh")).toMatchObject([
          { cause: "DeliveriesExhausted", job: guilty }
        ])
        expect(bench.begun).toEqual([])
        expect(yield* client.run(Fleet.terminalsOf(guilty))).toEqual(["failed"])
      })
  )

  it.live("A2 a job that saw thirty crashes, but never died alone, is not buried", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const innocent = yield* suspected(client, 30)
      const bench = yield* makeBench
      yield* condemned(client)
      yield* Fleet.working(redis.url, weighing(bench))
      yield* bench.has(innocent)
      yield* bench.goOn(innocent)
      const job = yield* Fleet.until(client.run(Fleet.jobOf(innocent)), ({ state }) => state === "done")
      expect(job.deliveries).toBe(0)
    })
  )

  it.live("A2 crashes of other processes of the role count for a suspect: it runs in a group instead of alone", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const bystander = yield* suspected(client, 8)
      // the role's processes died eighteen times within ten minutes: half of that is what any entry would have seen
      const now = yield* Fleet.timeOf(client)
      for (let i = 0; i < 18; i++) yield* client.send("ZADD", keyNames.alive, -Math.floor(now), `test.dead-${i}`)
      const bench = yield* makeBench
      yield* Fleet.working(redis.url, weighing(bench))
      const before = yield* client.run(Fleet.submit())
      yield* bench.has(before)
      yield* condemned(client)
      yield* bench.has(bystander)
      expect(bench.begun[1]).toMatchObject({ name: bystander, beside: 1 })
    })
  )

  it.live(
    "A5 a job that waits to run alone is taken by another process at once when its process stops, uncounted",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const suspect = yield* suspected(client, 7)
        const bench = yield* makeBench
        const worker = yield* Fleet.working(redis.url, weighing(bench))
        const before = yield* client.run(Fleet.submit())
        yield* bench.has(before)
        yield* condemned(client)
        yield* Fleet.until(Fleet.consumersOf(client, "parcel.weigh"), ({ victim = 0 }) => victim === 0)
        yield* worker.stop
        expect(yield* Fleet.hashOf(client, suspect)).toMatchObject({ state: "waiting", by: "", deliveries: "7" })
        expect(bench.begun.map(({ name }) => name)).toEqual([before])
        yield* bench.goOn(before)
        yield* Fleet.working(redis.url, weighing(bench))
        yield* bench.has(suspect)
      })
  )
})

describe("a message that killed its processes", () => {
  const partition = keyNames.partitions(4)[Keys.partitionOf("ann", 4)]!
  const key = partition.mailbox("printer")
  /** In the hands of "victim", with this record of crashes, the pause after the last of which is over. */
  const deadly = Effect.fnUntraced(function* (client: Fleet.Process<Fleet.Services>, record: number) {
    yield* Fleet.byHand(client, "victim")
    yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("printer")))
    const body = JSON.stringify({ text: "deadly" })
    const fields = ["type", "Print", "body", body, "attempts", 0, "ts", 0, "deliveries", record]
    yield* client.send("XADD", key, "*", ...fields)
    yield* client.send("XREADGROUP", "GROUP", "workers", "victim", "STREAMS", key, ">")
  })
  /** Redis's counter of the one entry in work. */
  const counters = (client: Fleet.Process<Fleet.Services>) =>
    Effect.map(client.send("XPENDING", key, "workers", "-", "+", 10), (rows) =>
      (rows as ReadonlyArray<readonly [string, string, number, number]>).map(([, , , count]) => count)
    )
  const printing = (bench: Effect.Success<typeof makeBench>) => {
    const handlers: Behavior.Handlers<(typeof Printer)["protocol"], never, never> = {
      Print: ({ text }) => bench.work(text)
    }
    return Behavior.layer(Printer, Effect.succeed(handlers))
  }

  it.live(
    "A2 a message that saw seven crashes is handled with no other work beside it, and marked as alone before",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        yield* deadly(client, 7)
        const bench = yield* makeBench
        const worker = yield* Fleet.working(redis.url, printing(bench))
        yield* client.run(Printer.tell("bob", "Print", { text: "before" }))
        yield* bench.has("before")
        yield* condemned(client)
        yield* Fleet.until(Fleet.consumersOf(client, "printer"), ({ victim = 0 }) => victim === 0)
        yield* worker.run(Fleet.depthOf("printer"))
        expect(yield* counters(client)).toContain(7)
        yield* bench.goOn("before")
        yield* bench.has("deadly")
        expect(bench.begun).toEqual([
          { name: "before", beside: 0 },
          { name: "deadly", beside: 0 }
        ])
        expect(yield* counters(client)).toEqual([1_008])
      })
  )

  it.live(
    "A2 a message whose process died twice while it ran alone becomes a dead letter, and its handler is not called",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        yield* deadly(client, 2_009)
        yield* condemned(client)
        const bench = yield* makeBench
        yield* Fleet.working(redis.url, printing(bench))
        const letters = yield* Fleet.until(Fleet.lettersOf(client, "printer"), (all) => all.length > 0)
        expect(letters).toMatchObject([{ cause: "DeliveriesExhausted", type: "Print", body: '{"text":"deadly"}' }])
        expect(bench.begun).toEqual([])
        expect(yield* client.run(Fleet.depthOf("printer"))).toBe(0)
      })
  )

  it.live("A2 a message that saw two crashes is handled beside other work, and counted before", () =>
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
      expect(yield* counters(client)).toContain(3)
    })
  )

  it.live("A2 a message that was in work at a fourth crash pauses on a timer, and keeps its record", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* deadly(client, 3)
      const [entry] = (yield* client.send("XRANGE", key, "-", "+")) as ReadonlyArray<readonly [string, unknown]>
      // "victim" ran it
      yield* client.send("XCLAIM", key, "workers", "victim", 0, entry![0], "RETRYCOUNT", 4)
      yield* condemned(client)
      const bench = yield* makeBench
      const worker = yield* Fleet.working(redis.url, printing(bench))
      yield* Fleet.until(client.send("XLEN", key), (length) => length === 0)
      const pause = Number(
        ((yield* client.send("ZRANGE", partition.timers, 0, 0, "WITHSCORES")) as [string, string])[1]
      )
      yield* worker.stop
      expect(bench.begun).toEqual([])
      expect(pause).toBeGreaterThan(yield* Fleet.timeOf(client))
      const later = yield* Fleet.joined(redis.url, { clockOffsetMillis: 60_000 })
      yield* later.run(Fleet.promote)
      yield* Fleet.working(redis.url, printing(bench))
      yield* bench.has("deadly")
      expect(yield* counters(client)).toEqual([5])
    })
  )

  it.live("A2 a process that dies while a message waits there for its turn adds nothing to the message's record", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* deadly(client, 2)
      yield* condemned(client)
      const bench = yield* makeBench
      yield* Fleet.working(redis.url, printing(bench))
      yield* bench.has("deadly")
      expect(yield* counters(client)).toEqual([3])
    })
  )
})
