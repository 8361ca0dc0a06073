/** How a process stops (A5): it reads no more, finishes what fits, hands the rest back at once, and is gone. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Schema, Scope } from "effect"
import { Actor, ActorSystem, Behavior } from "@eco2/core"
import * as BrokenRedis from "../BrokenRedis.ts"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const held = (process: Fleet.Process<Fleet.Services>) =>
  Effect.map(
    Effect.forEach(["parcel.weigh", "parcel.label", "parcel.ship"], (mailbox) => Fleet.consumersOf(process, mailbox)),
    (all) => all.flatMap((one) => Object.values(one)).reduce((sum, one) => sum + one, 0)
  )

describe("a stopping process", () => {
  it.live("A5 a stopping process finishes what fits into the grace period and takes no new work", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const client = yield* Fleet.joined(redis.url)
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.as(Deferred.await(gate), { grams: 3 }))
        }),
        { shutdownGrace: Duration.seconds(20) }
      )
      const id = yield* client.run(Fleet.submit())
      yield* Deferred.await(begun)
      const stopping = yield* Effect.forkChild(worker.stop)
      const trouble = worker.run(ActorSystem.use((system) => Effect.sync(() => system.trouble())))
      yield* Fleet.until(trouble, (said) => said === "stopping")
      const other = yield* client.run(Fleet.submit({ owner: "bob" }))
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(stopping)
      const job = yield* client.run(Fleet.jobOf(id))
      expect(job).toMatchObject({ state: "waiting", at: "label" })
      expect(job.outputs.get("weigh")).toBe('{"grams":3}')
      expect((yield* client.run(Fleet.jobOf(other))).state).toBe("waiting")
      expect(yield* client.send("ZCARD", keyNames.alive)).toBe(0)
    })
  )

  it.live("A5 work that outlasts the grace period is handed back without an attempt or event, and taken at once", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const client = yield* Fleet.joined(redis.url)
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({ weigh: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never) }),
        { shutdownGrace: Duration.millis(20) }
      )
      const id = yield* client.run(Fleet.submit())
      yield* Deferred.await(begun)
      yield* worker.stop
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "waiting", at: "weigh", attempts: 0 })
      expect(yield* client.run(Fleet.toldOf(id))).toEqual(["queued/started", "weigh/started"])
      // a lease no reaper could wait for: what is taken was handed back, not inherited
      const next = yield* Fleet.working(redis.url, Fleet.parcelBehaviors(), { lease: Duration.minutes(5) })
      yield* Fleet.until(next.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect((yield* client.run(Fleet.toldOf(id))).filter((told) => told === "weigh/started").length).toBe(1)
      expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["done"])
    })
  )

  it.live("A5 a process that stops under load leaves no pending entry, costs no extra attempt and is gone in 3 s", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      for (let round = 0; round < 4; round++) {
        let labelled = 0
        const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors({ labelled: () => void labelled++ }), {
          shutdownGrace: Duration.seconds(20)
        })
        const submits = yield* Effect.forkChild(
          Effect.forEach(
            Array.from({ length: 120 }, (_, i) => `owner ${i}`),
            (owner) => client.run(Fleet.submit({ owner }))
          )
        )
        yield* Fleet.until(
          Effect.sync(() => labelled),
          (seen) => seen > 0
        )
        const start = yield* Fleet.timeOf(client)
        yield* worker.stop
        expect((yield* Fleet.timeOf(client)) - start).toBeLessThan(3_000)
        expect(yield* held(client)).toBe(0)
        const ids = yield* Fiber.join(submits)
        const next = yield* Fleet.working(redis.url, Fleet.parcelBehaviors(), { lease: Duration.minutes(5) })
        for (const id of ids) {
          const job = yield* Fleet.until(next.run(Fleet.jobOf(id)), ({ state }) => state === "done")
          expect(job.tries).toBe(3)
        }
        yield* next.stop
      }
    })
  )

  it.live("A5 a stop ends although Redis takes no result of a stage or message: others can take both at once", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const Shelf = Actor.make("shelf", { Put: Actor.tell({ payload: Schema.String }) })
      const refused = new Set<string>()
      const refuse = (script: string) => () => {
        refused.add(script)
        return "unavailable" as const
      }
      const scope = yield* Scope.make()
      const worker = yield* BrokenRedis.working(
        redis.url,
        Layer.merge(Fleet.parcelBehaviors(), Behavior.layer(Shelf, Effect.succeed({ Put: () => Effect.void }))),
        {
          breaking: new Map(["commit", "settle"].map((name) => [name, refuse(name)])),
          values: { lease: Duration.minutes(1), shutdownGrace: Duration.millis(20) }
        }
      ).pipe(Effect.provideService(Scope.Scope, scope))
      const token = worker.system.token()
      yield* client.run(Fleet.submit())
      yield* worker.run(Shelf.tell("ann", "Put", "text"))
      yield* Fleet.until(
        Effect.sync(() => refused.size),
        (scripts) => scripts === 2
      )
      yield* Scope.close(scope, Exit.void).pipe(Effect.timeout("15 seconds"))
      expect(yield* Fleet.consumersOf(client, "parcel.weigh")).toEqual({ [token]: 1 })
      expect(yield* Fleet.consumersOf(client, "shelf")).toEqual({ [token]: 1 })
      expect(Number(yield* client.send("ZSCORE", keyNames.alive, token))).toBeLessThan(0)
    })
  )

  it.live(
    "A5 an entry that the last read brings while an idle process stops is worked on or handed back, never left pending",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        for (let round = 0; round < 12; round++) {
          const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
          yield* Fleet.until(client.send("CLIENT", "LIST"), (list) => String(list).includes("cmd=xreadgroup"))
          const submits = Effect.forEach(
            Array.from({ length: 5 }, (_, i) => `owner ${i}`),
            (owner) => client.run(Fleet.submit({ owner })),
            { concurrency: 5 }
          )
          yield* Effect.all([worker.stop, submits], { concurrency: 2 })
          expect(yield* held(client)).toBe(0)
        }
      })
  )
})
