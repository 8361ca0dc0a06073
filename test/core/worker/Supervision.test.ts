/**
 * What a defect leads to. In a handler it fails that message; in taking or settling it counts against the actor; in a loop the
 * loop is restarted and loses nothing (A1, A4). What fails too often stops its process in order (A5), so that others take
 * over. The rule itself, in virtual time: Supervisor.test.ts.
 */
import { beforeEach, describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Schedule, Schema, Scope } from "effect"
import { Actor, ActorSystem, Behavior, EventLog, Mailbox, Pipeline, Stage, StageBehavior } from "@eco2/core"
import type { Delivery } from "../../../packages/core/src/mailbox/Delivery.ts"
import * as BrokenRedis from "../BrokenRedis.ts"
import * as Fleet from "../CoreFixture.ts"
import * as Child from "../../fault/Child.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis({}, { emptied: false })
const { lease } = Fleet
// one partition: a mailbox with one slot is asked for in every read
const values = { partitions: 1, lease: Duration.millis(lease), shutdownGrace: Duration.seconds(5) }
const [partition] = keyNames.partitions(1)
const joined = Effect.suspend(() => Fleet.joined(redis.url, values))
/** By now a process here has looked once for what nobody works on: the next look it makes by itself is a minute away. */
const pastFirstLook = Effect.gen(function* () {
  const client = yield* joined
  const start = yield* Fleet.timeOf(client)
  yield* Fleet.until(Fleet.timeOf(client), (now) => now > start + 2 * lease)
})
beforeEach(() => Effect.runPromise(Effect.asVoid(redis.flush)))

const working = <E>(
  behaviors: Layer.Layer<never, E, BrokenRedis.Present>,
  breaking: BrokenRedis.Breaking = new Map()
) => BrokenRedis.working(redis.url, behaviors, { breaking, values })

const mailbox = "broken"
const Shelf = Actor.make("shelf", { Put: Actor.tell({ payload: Schema.String }) })
/** Runs with a process's services, in the test's scope. */
const inScope = Effect.fnUntraced(function* <A, E>(
  process: Fleet.Process<Fleet.Services>,
  effect: Effect.Effect<A, E, EventLog.EventLog | Scope.Scope>
) {
  const scope = yield* Effect.scope
  return yield* process.run(Effect.provideService(effect, Scope.Scope, scope))
})
const tell = (body: string, to = mailbox) =>
  Mailbox.Mailbox.use((service) => service.append("ann", { mailbox: to, type: "Say", body }))

/** A server of `broken` that takes as it is told to, and is done with a message at once. */
const serving = (
  take: (deliveries: ReadonlyArray<Delivery>, done: (delivery: Delivery) => Effect.Effect<void>) => Effect.Effect<void>,
  concurrency = 1
) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const system = yield* ActorSystem
      const messages = yield* Mailbox.Mailbox
      const done = (delivery: Delivery) =>
        system.work(delivery, Effect.orDie(Effect.asVoid(messages.settle(delivery, { _tag: "handled" }))))
      yield* system.serve({
        mailbox,
        concurrency,
        timeoutMillis: () => null,
        take: (deliveries) => take(deliveries, done)
      })
    })
  )
const bodiesOf = (deliveries: ReadonlyArray<Delivery>) => deliveries.map(({ fields }) => fields.get("body") ?? "")
const busy = (system: Context.Service.Shape<typeof ActorSystem>) =>
  system.mailboxes().reduce((sum, one) => sum + one.busy, 0)

describe("a defect in a handler", () => {
  const only = Stage.make("only", { needs: { input: Schema.String }, output: Schema.String, progress: 100 })
  const Single = Pipeline.make("single", { input: Schema.String }).add(only)

  it.live("a defect in a stage's handler is retried once, then the job is parked with a letter; no loop restarts", () =>
    Effect.gen(function* () {
      let calls = 0
      const process = yield* working(
        StageBehavior.layer(
          Single,
          "only",
          Effect.succeed(() =>
            Effect.sync((): string => {
              calls++
              throw new Error("a bug")
            })
          ),
          {}
        )
      )
      const { id } = yield* process.run(Pipeline.submit(Single, "text", { owner: null, key: null }))
      const job = yield* Fleet.until(process.run(Fleet.jobOf(id)), ({ state }) => state === "parked")
      expect(job.error).toMatchObject({ code: "Defect", message: "a bug", stage: "only", attempts: 2 })
      expect(calls).toBe(2)
      expect(process.system.trouble()).toBe(null)
      expect(yield* process.allRestarts).toEqual([])
      yield* Fleet.until(
        Effect.sync(() => busy(process.system)),
        (slots) => slots === 0
      )
    })
  )

  it.live("a defect in a message's handler is retried once, then leaves a letter; no loop restarts", () =>
    Effect.gen(function* () {
      let calls = 0
      const process = yield* working(
        Behavior.layer(
          Shelf,
          Effect.succeed({
            Put: () => {
              calls++
              throw new Error("a bug")
            }
          })
        )
      )
      const client = yield* joined
      yield* process.run(Shelf.tell("ann", "Put", "text"))
      const letters = yield* Fleet.until(Fleet.lettersOf(client, "shelf"), (all) => all.length > 0)
      expect(letters).toMatchObject([{ cause: "Defect", message: "a bug", attempts: "2" }])
      expect(calls).toBe(2)
      expect(process.system.trouble()).toBe(null)
      expect(yield* process.allRestarts).toEqual([])
    })
  )
})

describe("a defect in taking deliveries", () => {
  it.live("A4 a defect in taking deliveries frees their slots, and each entry is taken again without new traffic", () =>
    Effect.gen(function* () {
      const taken: Array<ReadonlyArray<string>> = []
      const process = yield* working(
        serving((deliveries, done) => {
          taken.push(bodiesOf(deliveries))
          if (taken.length === 1) throw new Error("a bug")
          return Effect.forEach(deliveries, done, { discard: true })
        })
      )
      yield* pastFirstLook
      yield* process.run(tell("one"))
      yield* Fleet.until(process.run(Fleet.depthOf(mailbox)), (depth) => depth === 0)
      expect(taken).toEqual([["one"], ["one"]])
      yield* process.run(tell("two"))
      yield* Fleet.until(process.run(Fleet.depthOf(mailbox)), (depth) => depth === 0)
      expect(yield* process.restarts(mailbox)).toBe(1)
      expect(process.system.trouble()).toBe(null)
    })
  )

  it.live("A4 a defect in taking deliveries leaves those already in work alone", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const taken: Array<string> = []
      const process = yield* working(
        Layer.effectDiscard(
          Effect.gen(function* () {
            const system = yield* ActorSystem
            const messages = yield* Mailbox.Mailbox
            const work = (delivery: Delivery) =>
              system.work(
                delivery,
                Effect.andThen(
                  Deferred.await(gate),
                  Effect.orDie(Effect.asVoid(messages.settle(delivery, { _tag: "handled" })))
                )
              )
            yield* system.serve({
              mailbox,
              concurrency: 20,
              timeoutMillis: () => null,
              take: Effect.fnUntraced(function* (deliveries) {
                const first = taken.length === 0
                for (const delivery of deliveries) {
                  taken.push(...bodiesOf([delivery]))
                  yield* work(delivery)
                  if (first) return yield* Effect.die(new Error("a bug"))
                }
              })
            })
          })
        )
      )
      const client = yield* joined
      // both in one read: they come in one call
      yield* client.send(
        "EVAL",
        `for _, body in ipairs(ARGV) do redis.call("XADD", KEYS[1], "*", "type", "Say", "body", body) end`,
        1,
        partition!.mailbox(mailbox),
        "one",
        "two"
      )
      yield* Fleet.until(
        Effect.sync(() => taken),
        (all) => all.includes("two")
      )
      expect(busy(process.system)).toBe(2)
      yield* Deferred.succeed(gate, undefined)
      yield* Fleet.until(process.run(Fleet.depthOf(mailbox)), (depth) => depth === 0)
      expect(taken).toEqual(["one", "two"])
    })
  )

  it.live("A2 a job whose results always die in settling is buried after five deliveries, and its actor goes on", () =>
    Effect.gen(function* () {
      let calls = 0
      const process = yield* working(
        Fleet.parcelBehaviors({
          weigh: () => Effect.suspend(() => Effect.fail((calls++, new Fleet.ScaleBroken()))),
          retry: { decide: () => Effect.die(new Error("a bug in the policy")) }
        })
      )
      const id = yield* process.run(Fleet.submit())
      const job = yield* Fleet.until(process.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
      expect(job.error).toMatchObject({ code: "DeliveriesExhausted", stage: "weigh" })
      expect(calls).toBe(5)
      expect(yield* process.restarts("parcel.weigh")).toBe(5)
      expect((yield* process.allRestarts).length).toBe(1)
      expect(process.system.trouble()).toBe(null)
    })
  )

  it.live(
    "A5 an actor that dies six times in a minute stops its process: work in hand is finished, and another process takes over",
    () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const begun = yield* Deferred.make<void>()
        const process = yield* working(
          Layer.merge(
            serving(() => Effect.die(new Error("a bug"))),
            Behavior.layer(
              Shelf,
              Effect.succeed({ Put: () => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(gate)) })
            )
          )
        )
        const client = yield* joined
        const token = process.system.token()
        const failure = yield* Effect.forkChild(process.failure)
        yield* process.run(Shelf.tell("ann", "Put", "text"))
        yield* Deferred.await(begun)
        yield* process.run(tell("one"))
        yield* Fleet.until(
          Effect.sync(() => process.system.trouble()),
          // a busy machine may be late with a beat, and say so before
          (trouble) => trouble === "broken failed too often: 6 times within 1m"
        )
        expect(failure.pollUnsafe()).toBeUndefined()
        yield* Deferred.succeed(gate, undefined)
        expect(yield* Fiber.join(failure)).toMatchObject({ _tag: "LoopFailed", loop: mailbox, failures: 6 })
        expect(yield* process.run(Fleet.depthOf("shelf"))).toBe(0)
        // only now: the read that a stop ends may still bring what comes meanwhile
        yield* client.run(tell("two"))
        expect(yield* Fleet.consumersOf(client, mailbox)).toEqual({ [token]: 1 })
        // not just gone: listed as dead, so that others need not look for it
        expect(yield* client.send("ZSCORE", keyNames.alive, token)).not.toBe(null)
        const said: Array<string> = []
        const heir = yield* working(
          serving((deliveries, done) => {
            said.push(...bodiesOf(deliveries))
            return Effect.forEach(deliveries, done, { discard: true })
          })
        )
        yield* Fleet.until(heir.run(Fleet.depthOf(mailbox)), (depth) => depth === 0)
        expect(said.toSorted()).toEqual(["one", "two"])
      })
  )
})

describe("a defect in a loop of the process", () => {
  const handled = (said: Array<string>) =>
    serving((deliveries, done) => {
      said.push(...bodiesOf(deliveries))
      return Effect.forEach(deliveries, done, { discard: true })
    })

  it.live("A1 a reader that dies is restarted and reads on with all its slots", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const breaking: BrokenRedis.Breaking = new Map([["XREADGROUP", "before"]])
      const process = yield* working(handled(said), breaking)
      yield* Fleet.until(process.restarts("reader"), (restarts) => restarts === 1)
      breaking.clear()
      yield* process.run(tell("one"))
      yield* Fleet.until(process.run(Fleet.depthOf(mailbox)), (depth) => depth === 0)
      expect(said).toEqual(["one"])
      expect(process.system.trouble()).toBe(null)
    })
  )

  it.live("A4 entries that a reader had read when it died are taken up, although no handler had got them", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const breaking: BrokenRedis.Breaking = new Map()
      const process = yield* working(handled(said), breaking)
      yield* pastFirstLook
      breaking.set("XREADGROUP", "after")
      yield* process.run(tell("one"))
      yield* Fleet.until(process.restarts("reader"), (restarts) => restarts > 0)
      breaking.clear()
      yield* Fleet.until(process.run(Fleet.depthOf(mailbox)), (depth) => depth === 0)
      expect(said).toEqual(["one"])
    })
  )

  it.live("A1 a heartbeat that dies twice keeps its process's lease", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const breaking: BrokenRedis.Breaking = new Map()
      const process = yield* working(handled(said), breaking)
      const token = process.system.token()
      breaking.set("beat", "before")
      yield* Fleet.until(process.restarts("heartbeat"), (restarts) => restarts === 2)
      breaking.clear()
      yield* process.run(tell("one"))
      yield* Fleet.until(process.run(Fleet.depthOf(mailbox)), (depth) => depth === 0)
      expect(process.system.token()).toBe(token)
    })
  )

  it.live("A5 a reader, heartbeat or timer loop that dies six times is named, and its process stops in order", () =>
    Effect.forEach(
      [
        ["reader", "XREADGROUP"],
        ["heartbeat", "beat"],
        ["timers", "promote"]
      ] as const,
      Effect.fnUntraced(function* ([loop, call]) {
        // a read under way would go on for its 20 s; a process without its first beat does not start
        const breaking: BrokenRedis.Breaking = new Map(loop === "heartbeat" ? [] : [[call, "before"]])
        const process = yield* working(handled([]), breaking)
        breaking.set(call, "before")
        expect(yield* process.failure).toMatchObject({ loop, failures: 6 })
        expect(process.system.trouble()).toBe(`${loop} failed too often: 6 times within 1m`)
        expect(yield* process.restarts(loop)).toBe(5)
      }),
      { concurrency: "unbounded", discard: true }
    )
  )
})

describe("a defect in the event tail", () => {
  const follow = (events: () => void) =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const gaps: Array<number> = []
      const tail = yield* EventLog.EventLog.use((log) =>
        log.tail({
          events: (job) => {
            events()
            told.push(job)
          },
          gap: (partitions) => gaps.push(...partitions.map(({ index }) => index)),
          answered: () => undefined
        })
      )
      return { tail, told, gaps }
    })

  it.live("J4 a defect in following events is reported as a gap, and the tail goes on after that event", () =>
    Effect.gen(function* () {
      const client = yield* joined
      let deaths = 0
      const { gaps, tail, told } = yield* inScope(
        client,
        follow(() => {
          if (deaths++ === 0) throw new Error("a bug")
        })
      )
      yield* client.run(Fleet.eventful())
      yield* Fleet.until(
        Effect.sync(() => gaps),
        (all) => all.length > 0
      )
      const id = yield* client.run(Fleet.eventful())
      yield* Fleet.until(
        Effect.sync(() => told),
        (all) => all.includes(id)
      )
      expect(told).toEqual([id])
      expect(tail.trouble()).toBe(null)
    })
  )

  it.live("an event tail that dies six times fails with LoopFailed for its owner", () =>
    Effect.gen(function* () {
      const client = yield* joined
      const { tail } = yield* inScope(
        client,
        follow(() => {
          throw new Error("a bug")
        })
      )
      const failure = yield* Effect.forkChild(Effect.flip(tail.failed))
      yield* Effect.repeat(client.run(Fleet.eventful()), {
        until: () => tail.trouble() !== null,
        schedule: Schedule.spaced("50 millis")
      })
      expect(yield* Fiber.join(failure)).toMatchObject({ _tag: "LoopFailed", loop: "events", failures: 6 })
    })
  )
})

describe("a role whose actor fails too often", () => {
  it.live("A5 a role whose actor dies six times is unready, finishes its work and exits with 1; others go on", () =>
    Effect.gen(function* () {
      const said: Array<Child.Line> = []
      const child = Child.start({
        name: "failing",
        file: "test/core/worker/failingWorker.ts",
        env: { REDIS_URL: redis.url, PARTITIONS: "1", LEASE: "1 second", SHUTDOWN_GRACE: "1 second" },
        hear: (line) => said.push(line)
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => child.signal("SIGKILL")))
      const serving_ = yield* Effect.promise(() => child.said(({ msg }) => msg === "serving"))
      const readyz = Effect.promise(async () => {
        const response = await fetch(`${String(serving_?.address)}/readyz`)
        return { status: response.status, body: await response.text() }
      })
      yield* Fleet.until(readyz, ({ status }) => status === 200)
      const client = yield* joined
      yield* client.run(Mailbox.Mailbox.use((service) => service.ensure(mailbox)))
      yield* client.run(tell('"slow"', "slow"))
      yield* Effect.promise(() => child.said(({ msg }) => msg === "slow work begun"))
      yield* client.run(tell("one"))
      const seen = yield* Fleet.until(readyz, ({ body }) => body.includes("broken failed too often"))
      expect(seen.status).toBe(503)
      expect(yield* Effect.promise(() => child.exited)).toBe(1)
      // its last lines may be read after its exit is seen; which of the two is said first is nobody's
      yield* Fleet.until(
        Effect.sync(() => new Set(said.map(({ msg }) => String(msg)))),
        (all) =>
          all.has("handed back unfinished work") &&
          all.has("failing cannot go on: broken failed too often: 6 times within 1m")
      )
      const heard: Array<string> = []
      const heir = yield* working(
        serving((deliveries, done) => {
          heard.push(...bodiesOf(deliveries))
          return Effect.forEach(deliveries, done, { discard: true })
        })
      )
      yield* Fleet.until(heir.run(Fleet.depthOf(mailbox)), (depth) => depth === 0)
      expect(heard).toEqual(["one"])
    })
  )
})
