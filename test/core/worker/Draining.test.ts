/** What operators stop: a paused mailbox, from which nothing is taken, and a drained process, which takes nothing. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect } from "effect"
import { ActorSystem, Policies } from "@eco2/core"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const policies = <A, E>(
  process: Fleet.Process<Fleet.Services>,
  use: (service: Policies.Policies["Service"]) => Effect.Effect<A, E>
) => process.run(Effect.orDie(Policies.Policies.use(use)))
const pause = (process: Fleet.Process<Fleet.Services>, mailbox: string, isPaused: boolean) =>
  policies(process, (all) => all.pause(mailbox, isPaused))
/** This process has heard of the pause, or of its end. */
const hears = (process: Fleet.Process<Fleet.Services>, mailbox: string, isPaused: boolean) =>
  Fleet.until(
    policies(process, (all) => Effect.sync(() => all.paused().has(mailbox))),
    (is) => is === isPaused
  )
const tokenOf = (process: Fleet.Process<Fleet.Services | ActorSystem>) =>
  process.run(ActorSystem.use((system) => Effect.sync(() => system.token())))
const stateOf = (process: Fleet.Process<Fleet.Services>, id: Parameters<typeof Fleet.jobOf>[0]) =>
  process.run(Fleet.jobOf(id))
const isDone = ({ state }: { readonly state: string }) => state === "done"

describe("a paused mailbox", () => {
  it.live(
    "nothing is taken from a paused mailbox, by a process that begins later either, and all of it after the resume",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const early = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
        yield* pause(client, "parcel.label", true)
        yield* hears(early, "parcel.label", true)
        yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
        const ids = [yield* client.run(Fleet.submit()), yield* client.run(Fleet.submit({ owner: "bob" }))]
        for (const id of ids)
          yield* Fleet.until(stateOf(client, id), ({ at, state }) => at === "label" && state === "waiting")
        // whoever could take it has had a turn: another stage's job goes through the same reader
        const later = yield* client.run(Fleet.submit({ owner: "eve" }))
        yield* Fleet.until(stateOf(client, later), ({ at, state }) => at === "label" && state === "waiting")
        for (const id of ids)
          expect(yield* stateOf(client, id)).toMatchObject({ at: "label", state: "waiting", attempts: 0 })
        yield* pause(client, "parcel.label", false)
        for (const id of [...ids, later]) yield* Fleet.until(stateOf(client, id), isDone)
      })
  )

  it.live("an attempt that runs when its mailbox is paused ends, and its job goes on", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const client = yield* Fleet.joined(redis.url)
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.as(Deferred.await(gate), { grams: 3 }))
        })
      )
      const id = yield* client.run(Fleet.submit())
      yield* Deferred.await(begun)
      yield* pause(client, "parcel.weigh", true)
      yield* hears(worker, "parcel.weigh", true)
      yield* Deferred.succeed(gate, undefined)
      yield* Fleet.until(stateOf(client, id), isDone)
      yield* pause(client, "parcel.weigh", false)
    })
  )

  it.live("a mailbox that is paused twice keeps the time of the first pause", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* pause(client, "parcel.ship", true)
      const since = yield* policies(client, (all) => Effect.sync(() => all.paused().get("parcel.ship")))
      yield* pause(client, "parcel.ship", true)
      expect(yield* policies(client, (all) => Effect.sync(() => all.paused().get("parcel.ship")))).toBe(since)
      expect(yield* policies(client, (all) => Effect.sync(() => all.all().has("parcel.ship")))).toBe(false)
      yield* pause(client, "parcel.ship", false)
    })
  )
})

describe("a drained process", () => {
  it.live(
    "A5 a drained process hands back what outlasts the grace, another takes it, and it works again after the drain",
    () =>
      Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        let isStuck = true
        const client = yield* Fleet.joined(redis.url)
        const worker = yield* Fleet.working(
          redis.url,
          Fleet.parcelBehaviors({
            weigh: () =>
              isStuck ? Effect.andThen(Deferred.succeed(begun, undefined), Effect.never) : Effect.succeed({ grams: 5 })
          }),
          { shutdownGrace: Duration.millis(20) }
        )
        const id = yield* client.run(Fleet.submit())
        yield* Deferred.await(begun)
        const token = yield* tokenOf(worker)
        yield* policies(client, (all) => all.drain(token, true))
        const handed = yield* Fleet.until(stateOf(client, id), ({ state }) => state === "waiting")
        expect(handed).toMatchObject({ at: "weigh", attempts: 0 })
        isStuck = false
        const other = yield* Fleet.working(redis.url, Fleet.parcelBehaviors(), { lease: Duration.minutes(5) })
        yield* Fleet.until(stateOf(client, id), isDone)
        yield* other.stop
        const waits = yield* client.run(Fleet.submit())
        expect((yield* stateOf(client, waits)).state).toBe("waiting")
        yield* policies(client, (all) => all.drain(token, false))
        yield* Fleet.until(stateOf(client, waits), isDone)
      })
  )
})
