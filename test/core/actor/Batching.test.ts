/** A batch actor: many messages handled as one and acknowledged together; only the bad one pays when a batch fails. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Schedule, Schema } from "effect"
import { Actor, ActorSystem, BatchBehavior, Mailbox, Retry } from "@eco2/core"
import { Keys } from "@eco2/core/redis"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const Shelf = Actor.make("shelf", {
  Put: Actor.tell({ payload: Schema.Struct({ book: Schema.String }) }),
  Burn: Actor.tell({ payload: Schema.Struct({ book: Schema.String }) })
})
class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", { book: Schema.String }) {}
class ShelfAway extends Schema.TaggedError<ShelfAway>()("ShelfAway", {}) {}
type Failure = Unreadable | ShelfAway
type Put = (books: ReadonlyArray<string>) => Effect.Effect<void, Failure>

const shelf = (put: Put, options: Partial<BatchBehavior.Options<Failure>> = {}) => {
  const handlers: BatchBehavior.Handlers<(typeof Shelf)["protocol"], Failure, never> = {
    Put: (payloads) => put(payloads.map(({ book }) => book)),
    Burn: () => Effect.void
  }
  return BatchBehavior.layer(Shelf, Effect.succeed(handlers), { size: 10, within: "20 millis", ...options })
}
const never = "1 hour"
const books = (many: number) => Array.from({ length: many }, (_, i) => `book ${String(i).padStart(3, "0")}`)
/** All to one partition, or each to that of its own name. */
const put = (process: Fleet.Process<Fleet.Services>, all: ReadonlyArray<string>, spread = false) =>
  Effect.forEach(all, (book) => process.run(Shelf.tell(spread ? book : "ann", "Put", { book })), { discard: true })
const empty = (process: Fleet.Process<Fleet.Services>) =>
  Fleet.until(process.run(Fleet.depthOf("shelf")), (depth) => depth === 0)
/** A handler that notes its batches. */
const noting = () => {
  const batches: Array<ReadonlyArray<string>> = []
  return { batches, put: (some: ReadonlyArray<string>) => Effect.sync(() => void batches.push(some)) }
}

describe("a batch actor", () => {
  it.live("a batch of full size is handled in one call as soon as its messages are there", () =>
    Effect.gen(function* () {
      const { batches, put: note } = noting()
      const worker = yield* Fleet.working(redis.url, shelf(note, { within: never }))
      yield* put(worker, books(30), true)
      yield* empty(worker)
      expect(batches.map(({ length }) => length)).toEqual([10, 10, 10])
      expect(Object.values(yield* Fleet.consumersOf(worker, "shelf"))).toEqual([0])
      expect(batches.flat().toSorted()).toEqual(books(30))
    })
  )

  it.live("a batch that is not full is handled once its first message has waited its time", () =>
    Effect.gen(function* () {
      const { batches, put: note } = noting()
      const worker = yield* Fleet.working(redis.url, shelf(note))
      yield* put(worker, books(3))
      yield* empty(worker)
      expect(batches.flat()).toEqual(books(3))
    })
  )

  it.live("messages of two types are handled in two batches", () =>
    Effect.gen(function* () {
      const { batches, put: note } = noting()
      const worker = yield* Fleet.working(redis.url, shelf(note))
      yield* worker.run(Shelf.tell("ann", "Burn", { book: "a bad one" }))
      yield* put(worker, books(2))
      yield* empty(worker)
      expect(batches.flat()).toEqual(books(2))
    })
  )

  it.live(
    "a failed batch is retried message by message: the bad one is buried, the others are done and never retried",
    () =>
      Effect.gen(function* () {
        const { batches, put: note } = noting()
        const bad = "book 004"
        const worker = yield* Fleet.working(
          redis.url,
          shelf(
            (some) =>
              Effect.andThen(note(some), some.includes(bad) ? Effect.fail(new Unreadable({ book: bad })) : Effect.void),
            { within: never, retry: Retry.policy<Failure>({ never: ["Unreadable"] }) }
          )
        )
        yield* put(worker, books(10))
        yield* empty(worker)
        expect(batches[0]).toHaveLength(10)
        expect(batches.slice(1).flat().toSorted()).toEqual(books(10))
        expect(yield* Fleet.lettersOf(worker, "shelf")).toMatchObject([
          { cause: "Unreadable", attempts: "1", body: `{"book":"${bad}"}` }
        ])
      })
  )

  it.live("an error of the whole batch fails all of its messages; each is retried, and then done", () =>
    Effect.gen(function* () {
      const { batches, put: note } = noting()
      const worker = yield* Fleet.working(
        redis.url,
        shelf(
          (some) =>
            Effect.flatMap(note(some), () => (batches.length === 1 ? Effect.fail(new ShelfAway()) : Effect.void)),
          {
            within: "1 second",
            whole: (error) => error._tag === "ShelfAway",
            retry: Retry.policy<Failure>({ otherwise: Schedule.spaced("5 millis") })
          }
        )
      )
      yield* put(worker, books(10))
      yield* Fleet.until(
        Effect.sync(() => batches.flat().length),
        (handled) => handled === 20
      )
      yield* empty(worker)
      expect(batches.slice(1).flat().toSorted()).toEqual(books(10))
      expect(batches.length).toBeLessThan(10)
      expect(yield* Fleet.lettersOf(worker, "shelf")).toEqual([])
    })
  )

  it.live("a message that does not decode becomes a dead letter at once, and the others are handled", () =>
    Effect.gen(function* () {
      const { batches, put: note } = noting()
      const worker = yield* Fleet.working(redis.url, shelf(note))
      const odd = { mailbox: "shelf", type: "Put", body: '{"book":1}' }
      yield* worker.run(Mailbox.Mailbox.use((service) => service.append("ann", odd)))
      yield* put(worker, books(2))
      yield* empty(worker)
      expect(batches.flat()).toEqual(books(2))
      expect(yield* Fleet.lettersOf(worker, "shelf")).toMatchObject([{ cause: "MessageUnreadable", body: odd.body }])
    })
  )

  it.live("back-pressure: a process holds no more messages than its batches have places", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let held = 0
      const worker = yield* Fleet.working(
        redis.url,
        shelf(
          (some) =>
            Effect.andThen(
              Effect.sync(() => (held += some.length)),
              Deferred.await(gate)
            ),
          {
            concurrency: 2
          }
        )
      )
      yield* put(worker, books(60), true)
      yield* Fleet.until(
        Effect.sync(() => held),
        (now) => now === 20
      )
      const consumers = yield* Fleet.consumersOf(worker, "shelf")
      expect(Object.values(consumers).reduce((sum, one) => sum + one, 0)).toBe(20)
      yield* Deferred.succeed(gate, undefined)
      yield* empty(worker)
      expect(held).toBe(60)
    })
  )

  it.live("A5 a half-filled batch is handled when its process stops, not when its time is over", () =>
    Effect.gen(function* () {
      const { batches, put: note } = noting()
      const worker = yield* Fleet.working(redis.url, shelf(note, { within: never }), {
        shutdownGrace: Duration.seconds(10)
      })
      const client = yield* Fleet.joined(redis.url)
      yield* put(client, books(3))
      yield* Fleet.until(Fleet.consumersOf(client, "shelf"), (held) => Object.values(held).includes(3))
      yield* worker.stop
      expect(batches).toEqual([books(3)])
      expect(yield* client.run(Fleet.depthOf("shelf"))).toBe(0)
    })
  )

  it.live(
    "A5 a batch in work at the end of the grace period is interrupted and handed back, its attempts not counted",
    () =>
      Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        let interrupted = 0
        const worker = yield* Fleet.working(
          redis.url,
          shelf(
            () =>
              Deferred.succeed(begun, undefined).pipe(
                Effect.andThen(Effect.never),
                Effect.onInterrupt(() => Effect.sync(() => void interrupted++))
              ),
            { within: never }
          ),
          { shutdownGrace: Duration.millis(20) }
        )
        const client = yield* Fleet.joined(redis.url)
        yield* put(client, books(10))
        yield* Deferred.await(begun)
        yield* worker.stop
        expect(interrupted).toBe(1)
        const key = keyNames.partitions(4)[Keys.partitionOf("ann", 4)]!.mailbox("shelf")
        const entries = (yield* client.send("XRANGE", key, "-", "+")) as ReadonlyArray<[string, ReadonlyArray<string>]>
        expect(entries.map(([, fields]) => fields[fields.indexOf("attempts") + 1])).toEqual(Array(10).fill("0"))
        const { batches, put: note } = noting()
        const next = yield* Fleet.working(redis.url, shelf(note), { lease: Duration.minutes(5) })
        yield* empty(next)
        expect(batches.flat().toSorted()).toEqual(books(10))
      })
  )

  it.live("A1 messages in the batches of a dead process are handled by another process", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* Fleet.byHand(client, "victim")
      yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("shelf")))
      yield* put(client, books(10))
      const key = keyNames.partitions(4)[Keys.partitionOf("ann", 4)]!.mailbox("shelf")
      yield* client.send("XREADGROUP", "GROUP", "workers", "victim", "STREAMS", key, ">")
      const { batches, put: note } = noting()
      const worker = yield* Fleet.working(redis.url, shelf(note))
      yield* empty(worker)
      expect(batches.flat().toSorted()).toEqual(books(10))
    })
  )

  it.live("A2 a message that was in work at a crash is handled in a batch of its own", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* Fleet.byHand(client, "victim")
      yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("shelf")))
      yield* put(client, books(3))
      const key = keyNames.partitions(4)[Keys.partitionOf("ann", 4)]!.mailbox("shelf")
      yield* client.send("XREADGROUP", "GROUP", "workers", "victim", "STREAMS", key, ">")
      const [[first]] = (yield* client.send("XRANGE", key, "-", "+", "COUNT", 1)) as [[string]]
      yield* client.send("XCLAIM", key, "workers", "victim", 0, first, "RETRYCOUNT", 2)
      const { batches, put: note } = noting()
      const worker = yield* Fleet.working(redis.url, shelf(note, { within: "100 millis" }))
      yield* empty(worker)
      expect(batches).toContainEqual(["book 000"])
      expect(batches.flat().toSorted()).toEqual(books(3))
    })
  )

  it.live(
    "A2 a message whose process died twice while it ran alone becomes a dead letter; its handler is not called",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        yield* Fleet.byHand(client, "victim")
        yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("shelf")))
        yield* put(client, books(1))
        const key = keyNames.partitions(4)[Keys.partitionOf("ann", 4)]!.mailbox("shelf")
        yield* client.send("XREADGROUP", "GROUP", "workers", "victim", "STREAMS", key, ">")
        const [[entry]] = (yield* client.send("XRANGE", key, "-", "+")) as [[string]]
        yield* client.send("XCLAIM", key, "workers", "victim", 0, entry, "RETRYCOUNT", 2_009)
        const { batches, put: note } = noting()
        const worker = yield* Fleet.working(redis.url, shelf(note))
        yield* empty(worker)
        expect(batches).toEqual([])
        expect(yield* Fleet.lettersOf(worker, "shelf")).toMatchObject([{ cause: "DeliveriesExhausted" }])
      })
  )

  it.live("A4 a process that lost its lease interrupts a batch whose messages all belong to others by now", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const worker = yield* Fleet.working(
        redis.url,
        shelf(() =>
          Deferred.succeed(begun, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
        )
      )
      yield* put(worker, books(3))
      yield* Deferred.await(begun)
      const token = yield* worker.run(ActorSystem.useSync((system) => system.token()))
      yield* worker.send("ZADD", keyNames.alive, -Date.now(), token)
      yield* Effect.timeout(Deferred.await(interrupted), "10 seconds")
    })
  )

  it.live("a defect in a batch's handler is a failure of the batch: its messages are retried one by one", () =>
    Effect.gen(function* () {
      let calls = 0
      const { batches, put: note } = noting()
      const worker = yield* Fleet.working(
        redis.url,
        shelf((some) => {
          if (calls++ === 0) throw new Error("a bug")
          return note(some)
        })
      )
      yield* put(worker, books(5))
      yield* empty(worker)
      expect(batches.flat().toSorted()).toEqual(books(5))
    })
  )
})
