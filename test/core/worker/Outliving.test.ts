/**
 * Handlers that cannot be interrupted: their attempts end all the same (A3, J7, A5), which is counted and logged; they hold their
 * slots, and a process all of whose slots they hold is not ready.
 */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Metric } from "effect"
import { Actor, ActorSystem, BatchBehavior, Mailbox, Pipeline, Stage, StageBehavior } from "@eco2/core"
import { Metrics } from "@eco2/core/telemetry"
import { Schema } from "effect"
import * as Fleet from "../CoreFixture.ts"
import * as Child from "../../fault/Child.ts"

const redis = Fleet.privateRedis()

/** A pipeline of one stage with two slots and a short time-out. */
const knock = Stage.make("knock", {
  needs: {},
  output: Schema.Struct({ by: Schema.String }),
  progress: 100,
  timeout: "300 millis",
  concurrency: 2
})
const Door = Pipeline.make("door", { input: Schema.Struct({}) }).add(knock)
const submit = (owner: string) => Effect.map(Pipeline.submit(Door, {}, { owner, key: null }), ({ id }) => id)

/** Handlers that wait at a gate and cannot be interrupted there. */
const makeDoor = Effect.gen(function* () {
  const gate = yield* Deferred.make<void>()
  let begun = 0
  const layer = (by: string) =>
    StageBehavior.layer(
      Door,
      "knock",
      Effect.succeed(() =>
        Effect.suspend(() => {
          begun++
          return Effect.as(Effect.uninterruptible(Deferred.await(gate)), { by })
        })
      )
    )
  return { layer, open: Deferred.succeed(gate, undefined), begun: Effect.sync(() => begun) }
})
const counted = (mailbox: string, reason: string) =>
  Effect.map(Metric.value(Metric.withAttributes(Metrics.outlivedAttempts, { mailbox, reason })), ({ count }) => count)
const timeOuts = Effect.map(
  Metric.value(Metric.withAttributes(Metrics.attempts, { stage: "door.knock", reason: "StageTimeout" })),
  ({ count }) => Number(count)
)
const trouble = ActorSystem.use((system) => Effect.sync(() => system.trouble()))
const outlived = (mailbox: string) =>
  ActorSystem.use((system) => Effect.sync(() => system.outlived().get(mailbox) ?? 0))

describe("a handler that cannot be interrupted", () => {
  it.live("A3 a time-out of a handler that goes on is recorded, and its job is done by another process", () =>
    Effect.gen(function* () {
      const before = yield* counted("door.knock", "timeout")
      const door = yield* makeDoor
      const worker = yield* Fleet.working(redis.url, door.layer("first"))
      const id = yield* worker.run(submit("ann"))
      yield* Fleet.until(worker.run(outlived("door.knock")), (handlers) => handlers === 1)
      expect((yield* counted("door.knock", "timeout")) - before).toBe(1)
      const open = yield* makeDoor
      yield* open.open
      yield* Fleet.working(redis.url, open.layer("second"))
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      // the first process may have taken the retry too, and then it is the third attempt that ends
      expect(job.outputs.get("knock")).toBe('{"by":"second"}')
      const recorded = yield* timeOuts
      yield* door.open
      yield* Fleet.until(worker.run(outlived("door.knock")), (handlers) => handlers === 0)
      // the end of the attempt is recorded once, not again when its handler has ended
      expect(yield* timeOuts).toBe(recorded)
    })
  )

  it.live("A4 a process is not ready while handlers that go on hold every slot, and ready when one has ended", () =>
    Effect.gen(function* () {
      const door = yield* makeDoor
      const worker = yield* Fleet.working(redis.url, door.layer("first"), { lease: Duration.seconds(20) })
      for (const owner of ["ann", "bob"]) yield* worker.run(submit(owner))
      yield* Fleet.until(worker.run(outlived("door.knock")), (handlers) => handlers === 2)
      expect(yield* worker.run(trouble)).toBe(
        "every slot of door.knock is held by a handler that goes on after its end"
      )
      yield* door.open
      yield* Fleet.until(worker.run(trouble), (said) => said === null)
    })
  )

  it.live("J7 a cancel frees nothing but ends the attempt of a handler that goes on", () =>
    Effect.gen(function* () {
      const before = yield* counted("door.knock", "lost")
      const door = yield* makeDoor
      const slow = Stage.make("knock", {
        needs: {},
        output: Schema.Struct({ by: Schema.String }),
        progress: 100,
        concurrency: 2
      })
      const Slow = Pipeline.make("door", { input: Schema.Struct({}) }).add(slow)
      const layer = StageBehavior.layer(
        Slow,
        "knock",
        Effect.succeed(() => Effect.uninterruptible(Effect.as(Effect.never, { by: "nobody" })))
      )
      const worker = yield* Fleet.working(redis.url, layer)
      const id = yield* worker.run(submit("ann"))
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "running")
      yield* worker.run(Fleet.cancel(id))
      yield* Fleet.until(counted("door.knock", "lost"), (count) => count - before === 1)
      expect(yield* worker.run(Fleet.terminalsOf(id))).toEqual(["cancelled"])
      yield* door.open
    })
  )

  it.live("A5 a stop hands back a job whose handler goes on, and another process does it at once", () =>
    Effect.gen(function* () {
      const door = yield* makeDoor
      const values = { lease: Duration.minutes(5), shutdownGrace: Duration.millis(20) }
      const long = Stage.make("knock", {
        needs: {},
        output: Schema.Struct({ by: Schema.String }),
        progress: 100,
        concurrency: 2
      })
      const Long = Pipeline.make("door", { input: Schema.Struct({}) }).add(long)
      const stubborn = StageBehavior.layer(
        Long,
        "knock",
        Effect.succeed(() => Effect.as(Effect.uninterruptible(Effect.never), { by: "first" }))
      )
      const client = yield* Fleet.joined(redis.url)
      const worker = yield* Fleet.working(redis.url, stubborn, values)
      const id = yield* client.run(submit("ann"))
      yield* Fleet.until(client.run(Fleet.jobOf(id)), ({ state }) => state === "running")
      yield* worker.stop.pipe(Effect.timeout("20 seconds"))
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "waiting", attempts: 0 })
      yield* door.open
      yield* Fleet.working(redis.url, door.layer("second"), values)
      const job = yield* Fleet.until(client.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(job.outputs.get("knock")).toBe('{"by":"second"}')
    })
  )

  it.live("A5 a stop hands back the messages of a batch whose handler goes on", () =>
    Effect.gen(function* () {
      const Pile = Actor.make("pile", { Put: Actor.tell({ payload: Schema.String }) })
      const begun = yield* Deferred.make<void>()
      const pile = BatchBehavior.layer(
        Pile,
        Effect.succeed({
          Put: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.uninterruptible(Effect.never))
        }),
        { size: 3, within: "10 millis" }
      )
      const client = yield* Fleet.joined(redis.url)
      yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("pile")))
      const values = { lease: Duration.minutes(5), shutdownGrace: Duration.millis(20) }
      const worker = yield* Fleet.working(redis.url, pile, values)
      for (const text of ["one", "two", "three"]) yield* client.run(Pile.tell("ann", "Put", text))
      yield* Deferred.await(begun)
      yield* worker.stop.pipe(Effect.timeout("20 seconds"))
      const held = Object.values(yield* Fleet.consumersOf(client, "pile"))
      expect([held.reduce((sum, n) => sum + n, 0), yield* client.run(Fleet.depthOf("pile"))]).toEqual([0, 3])
    })
  )

  it.live("A5 a role whose handler cannot be interrupted exits with 0 after SIGTERM, and says what still ran", () =>
    Effect.gen(function* () {
      const Stubborn = Actor.make("stubborn", { Say: Actor.tell({ payload: Schema.Unknown }) })
      const said: Array<Child.Line> = []
      const child = Child.start({
        name: "stubborn",
        file: "test/core/worker/stubbornWorker.ts",
        env: { REDIS_URL: redis.url, LEASE: "1 minute", SHUTDOWN_GRACE: "100 millis" },
        hear: (line) => said.push(line)
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => child.signal("SIGKILL")))
      yield* Effect.promise(() => child.said(({ msg }) => msg === "serving"))
      const client = yield* Fleet.joined(redis.url)
      yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("stubborn")))
      yield* client.run(Stubborn.tell("ann", "Say", "text"))
      yield* Effect.promise(() => child.said(({ msg }) => msg === "stubborn work begun"))
      child.signal("SIGTERM")
      expect(yield* Effect.promise(() => child.exited).pipe(Effect.timeout("30 seconds"))).toBe(0)
      yield* Fleet.until(
        Effect.sync(() => said.find(({ msg }) => msg === "handed back unfinished work")),
        (line) => line !== undefined
      )
      expect(said.find(({ msg }) => msg === "handed back unfinished work")).toMatchObject({
        entries: 1,
        left: 0,
        still_running: 1
      })
      expect(said.some(({ msg }) => msg === "a handler goes on after its attempt was ended")).toBe(true)
      expect(yield* client.run(Fleet.depthOf("stubborn"))).toBe(1)
      expect(Object.values(yield* Fleet.consumersOf(client, "stubborn")).every((n) => n === 0)).toBe(true)
    })
  )
})
