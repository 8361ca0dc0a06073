/** Messages to an actor: handled at least once, retried durably, and never just gone (A1); handed back on stop (A5). */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Schedule, Schema } from "effect"
import { Actor, Behavior, Mailbox, Retry } from "@eco2/core"
import { Keys } from "@eco2/core/redis"
import { Delivery } from "../../../packages/core/src/mailbox/Delivery.ts"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const Printer = Actor.make("printer", { Print: Actor.tell({ payload: Schema.Struct({ text: Schema.String }) }) })
class OutOfPaper extends Schema.TaggedError<OutOfPaper>()("OutOfPaper", { sheets: Schema.Int }) {
  override get message() {
    return `${this.sheets} sheets left`
  }
}
const printer = (
  print: (text: string) => Effect.Effect<void, OutOfPaper>,
  options: { readonly concurrency?: number; readonly retry?: Retry.Policy<OutOfPaper> } = {}
) => {
  const handlers: Behavior.Handlers<(typeof Printer)["protocol"], OutOfPaper, never> = {
    Print: ({ text }) => print(text)
  }
  return Behavior.layer(Printer, Effect.succeed(handlers), options)
}
const soon = Schedule.spaced(Duration.millis(5))
const tell = (text: string, key = "ann") => Printer.tell(key, "Print", { text })
const empty = (process: Fleet.Process<Fleet.Services>) =>
  Fleet.until(process.run(Fleet.depthOf("printer")), (depth) => depth === 0)

describe("Actor.tell", () => {
  it.live("A1 every message told is handled, and leaves the mailbox only then", () =>
    Effect.gen(function* () {
      const printed: Array<string> = []
      const worker = yield* Fleet.working(
        redis.url,
        printer((text) => Effect.sync(() => void printed.push(text)))
      )
      const texts = Array.from({ length: 40 }, (_, i) => `page ${i}`)
      yield* Effect.forEach(texts, (text) => worker.run(tell(text, text)), { concurrency: 10 })
      yield* empty(worker)
      expect(printed.toSorted()).toEqual(texts.toSorted())
    })
  )

  it.live("a message over 256 KiB is refused with nothing stored, and one just below is handled", () =>
    Effect.gen(function* () {
      const printed: Array<number> = []
      const worker = yield* Fleet.working(
        redis.url,
        printer((text) => Effect.sync(() => void printed.push(text.length)))
      )
      const most = 256 * 1024
      const around = JSON.stringify({ text: "" }).length + "Print".length + "printer".length
      expect(yield* Effect.flip(worker.run(tell("a".repeat(most - around + 1))))).toMatchObject({
        _tag: "MessageTooLarge",
        message: `a message to printer has ${most + 1} bytes, allowed are ${most}`
      })
      expect(yield* worker.run(Fleet.depthOf("printer"))).toBe(0)
      yield* worker.run(tell("a".repeat(most - around)))
      yield* Fleet.until(
        Effect.sync(() => printed),
        (all) => all.length > 0
      )
      expect(printed).toEqual([most - around])
    })
  )

  it.live("a dead letter's message is cut to a thousand characters", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(
        redis.url,
        printer(() => Effect.void)
      )
      const message = { mailbox: "printer", type: "T".repeat(5_000), body: "{}" }
      yield* worker.run(Mailbox.Mailbox.use((service) => service.append("ann", message)))
      const [letter] = yield* Fleet.until(Fleet.lettersOf(worker, "printer"), (all) => all.length > 0)
      expect(letter).toMatchObject({ cause: "MessageUnreadable", message: expect.stringMatching(/^.{1000}$/) })
    })
  )

  it.live("A1 a message whose process died is handled by another process", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* Fleet.byHand(client, "victim")
      yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("printer")))
      yield* client.run(tell("page 1"))
      const key = keyNames.partitions(4)[Keys.partitionOf("ann", 4)]!.mailbox("printer")
      yield* client.send("XREADGROUP", "GROUP", "workers", "victim", "STREAMS", key, ">")
      const printed: Array<string> = []
      const worker = yield* Fleet.working(
        redis.url,
        printer((text) => Effect.sync(() => void printed.push(text)))
      )
      yield* empty(worker)
      expect(printed).toEqual(["page 1"])
    })
  )

  it.live("A1 a failing message is retried by its policy, its attempts counted, and then becomes a dead letter", () =>
    Effect.gen(function* () {
      let attempts = 0
      const worker = yield* Fleet.working(
        redis.url,
        printer(() => Effect.suspend(() => Effect.fail(new OutOfPaper({ sheets: attempts++ }))), {
          retry: Retry.policy({ otherwise: soon.pipe(Schedule.upTo({ times: 3 })) })
        })
      )
      yield* worker.run(tell("page 1"))
      const letters = yield* Fleet.until(Fleet.lettersOf(worker, "printer"), (all) => all.length > 0)
      expect(letters).toMatchObject([
        { cause: "OutOfPaper", message: "3 sheets left", attempts: "4", type: "Print", body: '{"text":"page 1"}' }
      ])
      expect(attempts).toBe(4)
      yield* empty(worker)
      expect((yield* Fleet.keysOf(worker)).filter((key) => /:(timers|later)$/.test(key))).toEqual([])
    })
  )

  it.live("a message that succeeds at its third attempt leaves no letter", () =>
    Effect.gen(function* () {
      let attempts = 0
      const worker = yield* Fleet.working(
        redis.url,
        printer(
          () => Effect.suspend(() => (attempts++ < 2 ? Effect.fail(new OutOfPaper({ sheets: 0 })) : Effect.void)),
          {
            retry: Retry.policy({ otherwise: soon })
          }
        )
      )
      yield* worker.run(tell("page 1"))
      yield* Fleet.until(
        Effect.sync(() => attempts),
        (seen) => seen === 3
      )
      yield* empty(worker)
      expect(yield* Fleet.lettersOf(worker, "printer")).toEqual([])
    })
  )

  it.live("a message whose handler dies of a defect is retried once, and then becomes a dead letter", () =>
    Effect.gen(function* () {
      let attempts = 0
      const worker = yield* Fleet.working(
        redis.url,
        printer(() =>
          Effect.sync(() => {
            attempts++
            throw new Error("a bug")
          })
        )
      )
      yield* worker.run(tell("page 1"))
      const letters = yield* Fleet.until(Fleet.lettersOf(worker, "printer"), (all) => all.length > 0)
      expect(letters).toMatchObject([{ cause: "Defect", message: expect.stringContaining("a bug"), attempts: "2" }])
      expect(attempts).toBe(2)
    })
  )

  it.live("A1 a message that does not decode, or has no handler, becomes a dead letter at once, with its body", () =>
    Effect.gen(function* () {
      let called = false
      const worker = yield* Fleet.working(
        redis.url,
        printer(() => Effect.sync(() => void (called = true)))
      )
      for (const [type, body] of [
        ["Print", "not json"],
        ["Print", '{"text":1}'],
        ["Fold", '{"text":"page 1"}']
      ] as const) {
        yield* worker.run(Mailbox.Mailbox.use((service) => service.append("ann", { mailbox: "printer", type, body })))
      }
      yield* worker.send(
        "XADD",
        keyNames.partitions(4)[Keys.partitionOf("ann", 4)]!.mailbox("printer"),
        "*",
        "odd",
        "1"
      )
      const letters = yield* Fleet.until(Fleet.lettersOf(worker, "printer"), (all) => all.length === 4)
      expect(new Set(letters.map(({ cause }) => cause))).toEqual(new Set(["MessageUnreadable"]))
      expect(new Set(letters.map(({ body }) => body))).toEqual(
        new Set(["not json", '{"text":1}', '{"text":"page 1"}', undefined])
      )
      expect(called).toBe(false)
      yield* empty(worker)
    })
  )

  it.live.skipIf(Fleet.onCluster)("two processes share an actor's messages, each up to its concurrency", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const at = { one: 0, two: 0 }
      const waiting = (name: keyof typeof at) =>
        printer(
          () =>
            Effect.andThen(
              Effect.sync(() => at[name]++),
              Deferred.await(gate)
            ),
          { concurrency: 5 }
        )
      const one = yield* Fleet.working(redis.url, waiting("one"))
      yield* Fleet.working(redis.url, waiting("two"))
      yield* Effect.forEach(
        Array.from({ length: 12 }, (_, i) => `page ${i}`),
        (text) => one.run(tell(text, text))
      )
      yield* Fleet.until(
        Effect.sync(() => at.one + at.two),
        (busy) => busy === 10
      )
      expect(at).toEqual({ one: 5, two: 5 })
      expect(yield* one.run(Fleet.depthOf("printer"))).toBe(12)
      yield* Deferred.succeed(gate, undefined)
      yield* empty(one)
      expect(at.one + at.two).toBe(12)
    })
  )

  it.live(
    "A5 a message in work at the end of the grace period is handed back, and another process takes it at once",
    () =>
      Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        const worker = yield* Fleet.working(
          redis.url,
          printer(() => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)),
          { shutdownGrace: Duration.millis(20) }
        )
        const client = yield* Fleet.joined(redis.url)
        yield* client.run(tell("page 1"))
        yield* Deferred.await(begun)
        const printed: Array<string> = []
        // a lease no reaper could wait for; timers are looked at when it starts, not again within the test
        const next = yield* Fleet.working(
          redis.url,
          printer((text) => Effect.sync(() => void printed.push(text))),
          { lease: Duration.minutes(5) }
        )
        yield* worker.stop
        yield* empty(next)
        expect(printed).toEqual(["page 1"])
        expect(yield* Fleet.lettersOf(client, "printer")).toEqual([])
      })
  )

  it.live(
    "a full mailbox refuses a new message with MailboxFull and stores nothing, but a message for retry comes back",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url, { mailboxCapacity: 8 }) // two in each partition
        yield* client.run(tell("page 1"))
        yield* client.run(tell("page 2"))
        expect(yield* Effect.flip(client.run(tell("page 3")))).toMatchObject({
          _tag: "MailboxFull",
          mailbox: "printer"
        })
        expect(yield* client.run(Fleet.depthOf("printer"))).toBe(2)
      })
  )

  /** Page 1, taken by "a", and how deliveries of it end: by whoever says so. */
  const taken = Effect.gen(function* () {
    const client = yield* Fleet.joined(redis.url)
    yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("printer")))
    yield* client.run(tell("page 1"))
    const partition = keyNames.partitions(4)[Keys.partitionOf("ann", 4)]!
    const key = partition.mailbox("printer")
    const reply = (yield* client.send("XREADGROUP", "GROUP", "workers", "a", "STREAMS", key, ">")) as [
      [string, [[string, Array<string>]]]
    ]
    const [entry] = reply[0][1][0]
    const delivery = (consumer: string) =>
      new Delivery({
        partition,
        mailbox: "printer",
        entry,
        fields: new Map([
          ["type", "Print"],
          ["body", "{}"]
        ]),
        consumer,
        bornAt: 0
      })
    const settle = (consumer: string, outcome: Mailbox.Outcome) =>
      client.run(Mailbox.Mailbox.use((service) => service.settle(delivery(consumer), outcome)))
    return { client, entry, key, partition, settle }
  })
  const dead = { _tag: "dead", cause: "OutOfPaper", message: "", attempts: 1 } as const

  it.live("a former holder's late failure of a message changes nothing, and its late success counts", () =>
    Effect.gen(function* () {
      const { client, entry, key, settle } = yield* taken
      yield* client.send("XCLAIM", key, "workers", "b", 0, entry)
      expect(yield* settle("a", dead)).toBe("lost")
      expect(yield* settle("a", { _tag: "later", delayMillis: 0, attempts: 1 })).toBe("lost")
      expect(yield* client.run(Fleet.depthOf("printer"))).toBe(1)
      expect(yield* settle("a", { _tag: "handled" })).toBe("settled")
      expect(yield* settle("b", { _tag: "handled" })).toBe("lost")
      expect(yield* settle("b", dead)).toBe("lost")
      expect(yield* client.run(Fleet.depthOf("printer"))).toBe(0)
      expect(yield* Fleet.consumersOf(client, "printer")).toEqual({ a: 0, b: 0 })
      expect(yield* Fleet.lettersOf(client, "printer")).toEqual([])
    })
  )

  it.live("A1 a message deferred without a delay comes back with its attempts", () =>
    Effect.gen(function* () {
      const { client, key, settle } = yield* taken
      expect(yield* settle("a", { _tag: "later", delayMillis: 0, attempts: 3 })).toBe("settled")
      expect(yield* client.send("XRANGE", key, "-", "+")).toMatchObject([
        [expect.any(String), ["type", "Print", "body", "{}", "attempts", "3", "ts", expect.any(String)]]
      ])
    })
  )

  it.live("a delayed message whose body is lost delays no other: its timer is removed, and the next is served", () =>
    Effect.gen(function* () {
      const { client, partition, settle } = yield* taken
      const late = yield* Fleet.joined(redis.url, { clockOffsetMillis: 61_000 })
      yield* settle("a", { _tag: "later", delayMillis: 60_000, attempts: 1 })
      yield* client.send("ZADD", partition.timers, 1, "m:9b2f0f7e-5b7f-4c63-9c52-000000000000")
      yield* late.run(Fleet.promote)
      expect(yield* client.run(Fleet.depthOf("printer"))).toBe(1)
      expect((yield* Fleet.keysOf(client)).filter((key) => /:(timers|later)$/.test(key))).toEqual([])
    })
  )

  it.live("a message's dead letter drops the mailbox's letters past their retention", () =>
    Effect.gen(function* () {
      const { client, partition, settle } = yield* taken
      // more than Redis keeps together in one node of a stream, which it drops as a whole or not at all
      for (let i = 1; i <= 250; i++) yield* client.send("XADD", partition.dead("printer"), `${i}-0`, "cause", "old")
      expect(yield* settle("a", dead)).toBe("settled")
      const causes = (yield* Fleet.lettersOf(client, "printer")).map(({ cause }) => cause)
      expect(causes.at(-1)).toBe("OutOfPaper")
      expect(causes.length).toBeLessThan(200)
    })
  )
})
