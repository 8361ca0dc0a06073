/** Asking an actor: a typed answer or a typed error by the deadline, or an error that says what is known. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Metric, Schema } from "effect"
import { Actor, Behavior, Mailbox } from "@eco2/core"
import { Keys } from "@eco2/core/redis"
import { Metrics } from "@eco2/core/telemetry"
import * as BrokenRedis from "../BrokenRedis.ts"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { left: Schema.Int }) {}
const Clerk = Actor.make("clerk", {
  Price: Actor.ask({
    payload: Schema.Struct({ item: Schema.String }),
    reply: Schema.Struct({ cents: Schema.Int }),
    error: OutOfStock
  }),
  Note: Actor.tell({ payload: Schema.Struct({ text: Schema.String }) }),
  Catalogue: Actor.ask({ payload: Schema.Struct({ pages: Schema.Int }), reply: Schema.String })
})
type Handlers = Behavior.Handlers<(typeof Clerk)["protocol"], never, never>
const clerk = (handlers: Partial<Handlers> = {}, options: { readonly concurrency?: number } = {}) =>
  Behavior.layer(
    Clerk,
    Effect.succeed<Handlers>({
      Price: ({ item }) => Effect.succeed({ cents: item.length * 100 }),
      Note: () => Effect.void,
      Catalogue: ({ pages }) => Effect.succeed("a".repeat(pages)),
      ...handlers
    }),
    options
  )
const price = (item: string, deadline: Duration.Input = "5 seconds") =>
  Clerk.ask("ann", "Price", { item }, { deadline })
const partition = keyNames.partitions(4)[Keys.partitionOf("ann", 4)]!
const empty = (process: Fleet.Process<Fleet.Services>) =>
  Fleet.until(process.run(Fleet.depthOf("clerk")), (depth) => depth === 0)
const counted = (outcome: string, actor = "clerk") =>
  Effect.map(Metric.value(Metric.withAttributes(Metrics.asks, { actor, outcome })), ({ count }) => Number(count))
const inboxes = (process: Fleet.Process<Fleet.Services>) =>
  Effect.map(Fleet.keysOf(process), (keys) => keys.filter((key) => key.includes(":replies:")))

describe("Actor.ask", () => {
  it.live("each of a thousand asks at once gets its own answer", () =>
    Effect.gen(function* () {
      yield* Fleet.working(redis.url, clerk({}, { concurrency: 100 }))
      const client = yield* Fleet.joined(redis.url)
      const items = Array.from({ length: 1_000 }, (_, i) => "x".repeat(i))
      const prices = yield* Effect.forEach(items, (item) => client.run(price(item, "20 seconds")), {
        concurrency: "unbounded"
      })
      expect(prices.map(({ cents }) => cents)).toEqual(items.map((item) => item.length * 100))
      yield* empty(client)
    })
  )

  it.live("a handler's typed error reaches the asker decoded, is counted, and is not retried", () =>
    Effect.gen(function* () {
      let calls = 0
      const before = yield* counted("error")
      const worker = yield* Fleet.working(
        redis.url,
        clerk({ Price: () => Effect.suspend(() => (calls++, Effect.fail(new OutOfStock({ left: 0 })))) })
      )
      const refusal = yield* Effect.flip(worker.run(price("lamp")))
      expect(refusal).toBeInstanceOf(OutOfStock)
      expect(refusal).toMatchObject({ left: 0 })
      expect((yield* counted("error")) - before).toBe(1)
      yield* empty(worker)
      expect(calls).toBe(1)
      expect(yield* Fleet.lettersOf(worker, "clerk")).toEqual([])
    })
  )

  it.live("an ask of an actor that no process serves ends with AskTimeout, and its message is taken back", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      expect(yield* Effect.flip(client.run(price("lamp", "50 millis")))).toMatchObject({
        _tag: "AskTimeout",
        message: "clerk did not answer Price within 50 ms"
      })
      expect(yield* client.run(Fleet.depthOf("clerk"))).toBe(0)
    })
  )

  it.live("an interrupted ask takes its message back", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const asking = yield* Effect.forkChild(client.run(price("lamp", "1 hour")))
      yield* Fleet.until(client.run(Fleet.depthOf("clerk")), (depth) => depth === 1)
      yield* Fiber.interrupt(asking)
      expect(yield* client.run(Fleet.depthOf("clerk"))).toBe(0)
    })
  )

  for (const end of ["its deadline", "an interruption"] as const)
    it.live(`an ask that ${end} ends while its message is being stored takes it back once that is known`, () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const gate = yield* Deferred.make<void>()
        const breaking: BrokenRedis.Breaking = new Map([["append", Deferred.await(gate)]])
        const asker = yield* BrokenRedis.working(redis.url, Layer.empty, { breaking, values: {} })
        const asking = yield* Effect.forkChild(
          Effect.exit(asker.run(price("lamp", end === "its deadline" ? "50 millis" : "1 hour")))
        )
        yield* Fleet.until(client.run(Fleet.depthOf("clerk")), (depth) => depth === 1)
        if (end === "its deadline") expect(String(yield* Fiber.join(asking))).toContain("AskTimeout")
        else yield* Fiber.interrupt(asking)
        expect(yield* client.run(Fleet.depthOf("clerk"))).toBe(1)
        yield* Deferred.succeed(gate, undefined)
        yield* empty(client)
      })
    )

  for (const end of ["its deadline", "an interruption"] as const)
    it.live(`an ask that ${end} ends before its message is sent sends none`, () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const [asked, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        // the process's answers cannot be read yet
        const slow = Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(gate))
        let appended = 0
        const breaking: BrokenRedis.Breaking = new Map<string, BrokenRedis.When | (() => undefined)>([
          ["inbox", slow],
          ["append", () => void appended++]
        ])
        const asker = yield* BrokenRedis.working(redis.url, Layer.empty, { breaking, values: {} })
        const asking = yield* Effect.forkChild(
          Effect.exit(asker.run(price("lamp", end === "its deadline" ? "50 millis" : "1 hour")))
        )
        yield* Deferred.await(asked)
        if (end === "its deadline") expect(String(yield* Fiber.join(asking))).toContain("AskTimeout")
        else yield* Fiber.interrupt(asking)
        yield* Deferred.succeed(gate, undefined)
        // the next one of this process is sent after it
        expect(String(yield* Effect.exit(asker.run(price("lamp", "50 millis"))))).toContain("AskTimeout")
        expect(appended).toBe(1)
        yield* empty(client)
      })
    )

  it.live("an answer after the ask's deadline is dropped and counted, and the handler has run once", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let calls = 0
      const worker = yield* Fleet.working(
        redis.url,
        clerk({
          Price: () =>
            Effect.as(
              Effect.andThen(
                Effect.sync(() => calls++),
                Deferred.await(gate)
              ),
              { cents: 1 }
            )
        })
      )
      const client = yield* Fleet.joined(redis.url)
      const late = yield* counted("late", "")
      expect(yield* Effect.flip(client.run(price("lamp", "100 millis")))).toMatchObject({ _tag: "AskTimeout" })
      yield* Deferred.succeed(gate, undefined)
      yield* Fleet.until(counted("late", ""), (now) => now === late + 1)
      yield* empty(worker)
      expect(calls).toBe(1)
    })
  )

  it.live("a message past its ask's deadline is not begun", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const due = Math.floor(yield* Fleet.timeOf(client))
      const ask = `9b2f0f7e-5b7f-4c63-9c52-000000000000 1 ${due}`
      const entry = ["type", "Price", "body", '{"item":"lamp"}', "ask", ask, "ts", due]
      yield* client.send("XADD", partition.mailbox("clerk"), "*", ...entry)
      let called = false
      const worker = yield* Fleet.working(
        redis.url,
        clerk({ Price: () => Effect.sync(() => ((called = true), { cents: 1 })) })
      )
      yield* empty(worker)
      expect(called).toBe(false)
      expect(yield* Fleet.lettersOf(worker, "clerk")).toEqual([])
    })
  )

  it.live("A1 an ask whose handler's process died is answered by another process", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* Fleet.byHand(client, "victim")
      yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("clerk")))
      const asking = yield* Effect.forkChild(client.run(price("lamp", "20 seconds")))
      const read = client.send("XREADGROUP", "GROUP", "workers", "victim", "STREAMS", partition.mailbox("clerk"), ">")
      yield* Fleet.until(read, (reply) => reply !== null)
      yield* Fleet.working(redis.url, clerk())
      expect(yield* Fiber.join(asking)).toEqual({ cents: 400 })
    })
  )

  it.live("A5 an ask taken by a stopping process is answered by the next one", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const worker = yield* Fleet.working(
        redis.url,
        clerk({ Price: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never) }),
        { shutdownGrace: Duration.millis(20) }
      )
      const client = yield* Fleet.joined(redis.url)
      const asking = yield* Effect.forkChild(client.run(price("lamp", "20 seconds")))
      yield* Deferred.await(begun)
      yield* Fleet.working(redis.url, clerk(), { lease: Duration.minutes(5) })
      yield* worker.stop
      expect(yield* Fiber.join(asking)).toEqual({ cents: 400 })
    })
  )

  it.live("a reply over 256 KiB fails the ask with ReplyTooLarge, and one of 256 KiB passes", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(redis.url, clerk())
      const ask = (pages: number) => worker.run(Clerk.ask("ann", "Catalogue", { pages }, { deadline: "5 seconds" }))
      const most = 256 * 1024 - '""'.length
      expect((yield* ask(most)).length).toBe(most)
      expect(yield* Effect.flip(ask(most + 1))).toMatchObject({
        _tag: "ReplyTooLarge",
        message: "clerk answered Catalogue with 262145 bytes, allowed are 262144"
      })
    })
  )

  it.live("a handler's defect, or a body that does not decode, fails the ask with AskFailed and leaves no letter", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(
        redis.url,
        clerk({
          Price: () =>
            Effect.sync(() => {
              throw new Error("a bug")
            })
        })
      )
      expect(yield* Effect.flip(worker.run(price("lamp")))).toMatchObject({
        _tag: "AskFailed",
        message: "clerk could not answer Price: Defect: a bug"
      })
      const Other = Actor.make("clerk", {
        Price: Actor.ask({ payload: Schema.Struct({ item: Schema.Int }), reply: Schema.String }),
        Refund: Actor.ask({ payload: Schema.Struct({}), reply: Schema.String })
      })
      for (const ask of [
        Other.ask("ann", "Price", { item: 1 }, { deadline: "5 seconds" }),
        Other.ask("ann", "Refund", {}, { deadline: "5 seconds" })
      ]) {
        expect(yield* Effect.flip(worker.run(ask))).toMatchObject({ _tag: "AskFailed" })
      }
      yield* empty(worker)
      expect(yield* Fleet.lettersOf(worker, "clerk")).toEqual([])
    })
  )

  it.live("a reply that the asker cannot decode fails the ask with AskFailed", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(redis.url, clerk())
      const Newer = Actor.make("clerk", {
        Price: Actor.ask({
          payload: Schema.Struct({ item: Schema.String }),
          reply: Schema.Struct({ euros: Schema.Int })
        })
      })
      const ask = Newer.ask("ann", "Price", { item: "lamp" }, { deadline: "5 seconds" })
      expect(yield* Effect.flip(worker.run(ask))).toMatchObject({
        _tag: "AskFailed",
        message: expect.stringContaining("its answer is unreadable")
      })
    })
  )

  it.live("an ask of a full mailbox fails at once with MailboxFull, and its handler does not run", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { mailboxCapacity: 4 }) // one in each partition
      yield* client.run(Clerk.tell("ann", "Note", { text: "" }))
      expect(yield* Effect.flip(client.run(price("lamp")))).toMatchObject({ _tag: "MailboxFull" })
    })
  )

  it.live.skipIf(Fleet.onCluster)("an ask under way is answered although Redis has become full meanwhile", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const worker = yield* Fleet.working(
        redis.url,
        clerk({
          Price: () => Effect.as(Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(gate)), { cents: 1 })
        })
      )
      const client = yield* Fleet.joined(redis.url)
      const asking = yield* Effect.forkChild(client.run(price("lamp")))
      yield* Deferred.await(begun)
      yield* client.send("CONFIG", "SET", "maxmemory", 1)
      yield* Effect.addFinalizer(() => client.send("CONFIG", "SET", "maxmemory", 0))
      expect(yield* Effect.flip(client.run(price("lamp")))).toMatchObject({ _tag: "RedisFull" })
      yield* Deferred.succeed(gate, undefined)
      expect(yield* Fiber.join(asking)).toEqual({ cents: 1 })
      yield* client.send("CONFIG", "SET", "maxmemory", 0)
      yield* empty(worker)
    })
  )

  it.live("a process whose reply stream is lost makes it anew: one ask times out, the next is answered", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(redis.url, clerk())
      const client = yield* Fleet.joined(redis.url)
      yield* client.run(price("lamp"))
      const [inbox = ""] = yield* inboxes(client)
      yield* client.send("DEL", inbox)
      const unheard = yield* counted("unheard")
      expect(yield* Effect.flip(client.run(price("lamp", "200 millis")))).toMatchObject({ _tag: "AskTimeout" })
      expect(yield* counted("unheard")).toBe(unheard + 1)
      yield* Fleet.until(inboxes(client), (keys) => keys.length === 1)
      expect(yield* client.run(price("lamp"))).toEqual({ cents: 400 })
      yield* empty(worker)
    })
  )

  it.live("a process's reply stream expires once the process is gone", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* Effect.flip(client.run(price("lamp", "1 millis")))
      const [inbox = ""] = yield* Fleet.until(inboxes(client), (keys) => keys.length === 1)
      const millis = Number(yield* client.send("PTTL", inbox))
      expect(millis).toBeGreaterThan(170_000)
      expect(millis).toBeLessThanOrEqual(180_000)
    })
  )
})
