/** A policy that an operator sets reaches every process, and overrides the environment and the code. */
import { describe, expect, it } from "@effect/vitest"
import { Actor, Behavior, Policies, Retry } from "@eco2/core"
import { ConfigProvider, Duration, Effect, Layer, Schedule, Schema } from "effect"
import { isDeepStrictEqual } from "node:util"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const change = (process: Fleet.Process<Fleet.Services>, mailbox: string, changed: Policies.Change) =>
  process.run(Policies.Policies.use((policies) => policies.change(mailbox, changed)))
/** This and nothing else: what is left out is taken back. */
const set = (process: Fleet.Process<Fleet.Services>, mailbox: string, policy: Policies.Policy) =>
  change(process, mailbox, {
    ...{ capacity: null, timeout_ms: null, attempts: null, redrives: null, redrive_ms: null },
    ...policy
  })
const of = (process: Fleet.Process<Fleet.Services>, mailbox: string) =>
  process.run(Effect.map(Policies.Policies, (policies) => policies.of(mailbox)))
const reaches = (process: Fleet.Process<Fleet.Services>, mailbox: string, policy: Policies.Policy) =>
  Fleet.until(of(process, mailbox), (now) => isDeepStrictEqual(now, policy))
const broken: Fleet.Weigh = () => Effect.fail(new Fleet.ScaleBroken())
const soon = Schedule.spaced(Duration.millis(5))
const environment = (variables: Record<string, string>) =>
  Layer.succeed(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: variables }))

describe("a mailbox's policy", () => {
  it.live("a policy that is set reaches every process, later ones too, and an empty one resets all of it", () =>
    Effect.gen(function* () {
      const one = yield* Fleet.joined(redis.url)
      const two = yield* Fleet.joined(redis.url)
      yield* set(one, "parcel.weigh", { attempts: 7 })
      yield* set(two, "parcel.ship", { timeout_ms: 10 })
      yield* reaches(two, "parcel.weigh", { attempts: 7 })
      yield* reaches(one, "parcel.ship", { timeout_ms: 10 })
      const late = yield* Fleet.joined(redis.url)
      expect(yield* of(late, "parcel.weigh")).toEqual({ attempts: 7 })
      yield* set(late, "parcel.weigh", {})
      yield* reaches(one, "parcel.weigh", {})
      yield* set(late, "parcel.ship", {})
      yield* reaches(one, "parcel.ship", {})
    })
  )

  it.live("two changes of one policy at once, in processes that have not heard of each other, both stay", () =>
    Effect.gen(function* () {
      const one = yield* Fleet.joined(redis.url)
      const two = yield* Fleet.joined(redis.url)
      yield* change(one, "parcel.weigh", { attempts: 7, redrives: 1 })
      yield* Effect.all(
        [change(one, "parcel.weigh", { timeout_ms: 10 }), change(two, "parcel.weigh", { redrives: null })],
        {
          concurrency: "unbounded"
        }
      )
      const both = { attempts: 7, timeout_ms: 10 }
      for (const process of [one, two, yield* Fleet.joined(redis.url)]) yield* reaches(process, "parcel.weigh", both)
      yield* set(one, "parcel.weigh", {})
      yield* reaches(two, "parcel.weigh", {})
    })
  )

  it.live.skipIf(Fleet.onCluster)(
    "a change of a policy is answered with the whole policy, also what the process had not heard of yet",
    () =>
      Effect.gen(function* () {
        const one = yield* Fleet.joined(redis.url)
        const two = yield* Fleet.joined(redis.url)
        // two loses the connection it hears of changes by
        const readersNow = Effect.map(two.send("CLIENT", "LIST"), (list) =>
          String(list)
            .split("\n")
            .filter((line) => line.includes(" cmd=xread "))
        )
        const readers = yield* Fleet.until(readersNow, ({ length }) => length >= 2)
        for (const reader of readers) yield* two.send("CLIENT", "KILL", "ID", /id=(\d+)/.exec(reader)![1]!)
        yield* change(one, "parcel.weigh", { attempts: 7 })
        expect(yield* change(two, "parcel.weigh", { capacity: 50 })).toEqual({ attempts: 7, capacity: 50 })
        yield* set(one, "parcel.weigh", {})
        yield* reaches(two, "parcel.weigh", {})
      })
  )

  it.live("a capacity that is set holds for later submits and tells", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const Printer = Actor.make("printer", { Print: Actor.tell({ payload: Schema.String }) })
      yield* set(client, "parcel.weigh", { capacity: 4 }) // one in each partition
      yield* set(client, "printer", { capacity: 4 })
      yield* reaches(client, "printer", { capacity: 4 })
      yield* client.run(Fleet.submit())
      expect(yield* Effect.flip(client.run(Fleet.submit()))).toMatchObject({ _tag: "MailboxFull" })
      yield* client.run(Printer.tell("ann", "Print", "page 1"))
      expect(yield* Effect.flip(client.run(Printer.tell("ann", "Print", "page 2")))).toMatchObject({
        _tag: "MailboxFull"
      })
      yield* set(client, "parcel.weigh", {})
      yield* set(client, "printer", {})
      yield* reaches(client, "printer", {})
      yield* client.run(Fleet.submit())
      yield* client.run(Printer.tell("ann", "Print", "page 2"))
    })
  )

  it.live("A3 a stage's timeout that is set while it serves ends the next attempt", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors({ weigh: () => Effect.never }))
      yield* set(worker, "parcel.weigh", { timeout_ms: 20, redrives: 0, attempts: 1 })
      yield* reaches(worker, "parcel.weigh", { timeout_ms: 20, redrives: 0, attempts: 1 })
      const id = yield* worker.run(Fleet.submit())
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
      expect(job.error).toMatchObject({ code: "StageTimeout", message: "stage weigh did not finish within 20 ms" })
      yield* set(worker, "parcel.weigh", {})
      yield* reaches(worker, "parcel.weigh", {})
    })
  )

  it.live("attempts that are set may be fewer or more than the code's retry schedule", () =>
    Effect.gen(function* () {
      const retry = Retry.policy<Fleet.ScaleBroken>({ otherwise: soon.pipe(Schedule.upTo({ times: 2 })) })
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors({ weigh: broken, retry }))
      for (const attempts of [1, 2, 6]) {
        yield* set(worker, "parcel.weigh", { attempts, redrives: 0 })
        yield* reaches(worker, "parcel.weigh", { attempts, redrives: 0 })
        const id = yield* worker.run(Fleet.submit())
        const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
        expect(job.error).toMatchObject({ code: "ScaleBroken", attempts })
      }
      yield* set(worker, "parcel.weigh", {})
      yield* reaches(worker, "parcel.weigh", {})
    })
  )

  it.live("redrives that are set decide how often a job is parked, and redrive_ms for how long", () =>
    Effect.gen(function* () {
      const retry = Retry.policy<Fleet.ScaleBroken>({ otherwise: Retry.notNow })
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors({ weigh: broken, retry }))
      yield* set(worker, "parcel.weigh", { redrives: 2, redrive_ms: 10 })
      yield* reaches(worker, "parcel.weigh", { redrives: 2, redrive_ms: 10 })
      const id = yield* worker.run(Fleet.submit())
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
      // two rounds after the first
      expect(job.tries).toBe(3)
      yield* set(worker, "parcel.weigh", {})
      yield* reaches(worker, "parcel.weigh", {})
    })
  )

  it.live("a message's attempts can be set as a stage's can", () =>
    Effect.gen(function* () {
      const Printer = Actor.make("printer", { Print: Actor.tell({ payload: Schema.String }) })
      const handlers: Behavior.Handlers<(typeof Printer)["protocol"], Fleet.ScaleBroken, never> = {
        Print: () => Effect.fail(new Fleet.ScaleBroken())
      }
      const worker = yield* Fleet.working(redis.url, Behavior.layer(Printer, Effect.succeed(handlers)))
      yield* set(worker, "printer", { attempts: 1 })
      yield* reaches(worker, "printer", { attempts: 1 })
      yield* worker.run(Printer.tell("ann", "Print", "page 1"))
      const letters = yield* Fleet.until(Fleet.lettersOf(worker, "printer"), (all) => all.length > 0)
      expect(letters).toMatchObject([{ cause: "ScaleBroken", attempts: "1" }])
      yield* set(worker, "printer", {})
    })
  )

  it.live("a policy from the environment overrides the code, and one that is set overrides both", () =>
    Effect.gen(function* () {
      const behaviors = Fleet.parcelBehaviors({ weigh: broken }).pipe(
        Layer.provide(environment({ PARCEL_WEIGH_ATTEMPTS: "1", PARCEL_WEIGH_REDRIVES: "0" }))
      )
      const worker = yield* Fleet.working(redis.url, behaviors)
      const failed = Effect.gen(function* () {
        const id = yield* worker.run(Fleet.submit())
        return yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
      })
      expect((yield* failed).error).toMatchObject({ attempts: 1 })
      yield* set(worker, "parcel.weigh", { attempts: 2 })
      yield* reaches(worker, "parcel.weigh", { attempts: 2 })
      expect((yield* failed).error).toMatchObject({ attempts: 2 })
      yield* set(worker, "parcel.weigh", {})
    })
  )

  it.live("a wrong policy variable stops the process at start and is named", () =>
    Effect.gen(function* () {
      const behaviors = Fleet.parcelBehaviors().pipe(Layer.provide(environment({ PARCEL_WEIGH_TIMEOUT: "soon" })))
      const exit = yield* Effect.exit(Fleet.working(redis.url, behaviors))
      expect(JSON.stringify(exit)).toContain('PARCEL_WEIGH_TIMEOUT is \\"soon\\"')
    })
  )
})
