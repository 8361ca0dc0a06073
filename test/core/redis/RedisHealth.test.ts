/** Redis that is full, frozen or away: what callers are answered, and that work resumes. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Layer, References, Schema } from "effect"
import { createServer } from "node:net"
import type { AddressInfo, Server } from "node:net"
import { Actor, ActorSystem, JobStore } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import * as Lease from "../../../packages/core/src/worker/Lease.ts"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const clientOf = (url: string) =>
  Effect.map(Layer.build(RedisClient.layerUrl(url)), (context) => Context.get(context, RedisClient.RedisClient)).pipe(
    Effect.provideService(References.MinimumLogLevel, "None")
  )

describe("a full Redis", () => {
  const full = <A, E, R>(process: Fleet.Process<Fleet.Services>, then: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      process.send("CONFIG", "SET", "maxmemory", "1"),
      () => then,
      () => process.send("CONFIG", "SET", "maxmemory", "0")
    )

  it.live("a full Redis refuses submits, tells and uploads with RedisFull, and stores nothing of them", () =>
    Effect.gen(function* () {
      const Printer = Actor.make("printer", { Print: Actor.tell({ payload: Schema.String }) })
      const client = yield* Fleet.joined(redis.url)
      const id = yield* client.run(Fleet.submit())
      const before = yield* Fleet.keysOf(client)
      const refusals = yield* full(
        client,
        Effect.all([
          Effect.flip(client.run(Fleet.submit())),
          Effect.flip(client.run(Fleet.submit({ image: new Uint8Array([1]) }))),
          Effect.flip(client.run(Printer.tell("ann", "Print", "a"))),
          Effect.flip(client.run(JobStore.JobStore.use((store) => store.upload(id, new Uint8Array([1])))))
        ])
      )
      expect(refusals.map(({ _tag }) => _tag)).toEqual(["RedisFull", "RedisFull", "RedisFull", "RedisFull"])
      expect(yield* Fleet.keysOf(client)).toEqual(before)
    })
  )

  it.live("a full Redis takes every other transition and every beat, so that the fleet's work drains", () =>
    Effect.gen(function* () {
      // a call of a beat has a quarter of it, also on a busy machine
      const lease = Duration.seconds(40)
      const client = yield* Fleet.joined(redis.url, { lease })
      const late = yield* Fleet.joined(redis.url, { lease, clockOffsetMillis: 7_200_000 })
      const hand = yield* Fleet.byHand(client, "hand")
      for (const _ of [1, 2, 3, 4, 5, 6]) yield* client.run(Fleet.submit())
      const [a, b, c, d, e, f] = yield* hand.read("weigh")
      yield* full(
        client,
        Effect.gen(function* () {
          for (const holding of [a!, b!, c!]) expect((yield* client.run(Fleet.begin(holding)))._tag).toBe("Run")
          expect((yield* client.run(Fleet.commit(a!))).outcome).toBe("committed")
          expect(yield* client.run(Fleet.defer(b!))).toBe("deferred")
          expect(yield* client.run(Fleet.bury(c!))).toBe("buried")
          expect(yield* client.run(Fleet.cancel(d!.id))).toBe("cancelled")
          const beats = Lease.Lease.use((lease) => Effect.orDie(lease.beat("other", "register")))
          expect((yield* client.run(beats)).alive).toBe(true)
          expect(
            yield* late.run(Lease.Lease.use((lease) => Effect.orDie(lease.condemn(["hand"], Fleet.ever))))
          ).toEqual(["hand"])
          expect((yield* Fleet.inherit(client, "hand", "other", "weigh")).map(({ id }) => id)).toEqual([e!.id, f!.id])
          expect(yield* late.run(Fleet.promote)).toBe(4)
        })
      )
    })
  )

  it.live("a full Redis takes transitions of jobs that have no entry to remove: kept, in the lane, on a timer", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
      const late = yield* Fleet.joined(redis.url, { userConcurrency: 1, clockOffsetMillis: 61_000 })
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.submit())
      const second = yield* client.run(Fleet.submit())
      const holding = yield* hand.take("weigh")
      yield* full(
        client,
        Effect.gen(function* () {
          const { kept, outcome } = yield* client.run(Fleet.keep(holding))
          expect(outcome).toBe("kept")
          expect(yield* client.run(Fleet.cancel(second))).toBe("cancelled")
          expect(yield* client.run(Fleet.defer(kept))).toBe("deferred")
          yield* late.run(Fleet.promote)
          expect(yield* client.run(Fleet.depthOf("parcel.label"))).toBe(1)
        })
      )
    })
  )

  it.live("a worker starts on a full Redis and completes the jobs that are there", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const first = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      yield* first.stop
      const id = yield* client.run(Fleet.submit())
      yield* full(
        client,
        Effect.gen(function* () {
          const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
          yield* Fleet.until(client.run(Fleet.jobOf(id)), ({ state }) => state === "done")
          yield* worker.stop
        })
      )
    })
  )
})

describe("a Redis that does not answer", () => {
  it.live("a command to an address where no server listens fails with RedisUnavailable within seconds", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(() => RedisServer.freePort())
      const client = yield* clientOf(`redis://127.0.0.1:${port}`)
      const refusal = yield* Effect.flip(client.send("PING")).pipe(Effect.timeout("3 seconds"))
      expect(refusal).toMatchObject({ _tag: "RedisUnavailable", command: "PING" })
      const reader = yield* client.reader(keyNames.alive)
      const silence = yield* Effect.flip(reader.read(100, "BLPOP", "a", 0.1)).pipe(Effect.timeout("3 seconds"))
      expect(silence).toMatchObject({ _tag: "RedisUnavailable" })
    })
  )

  it.live("a frozen Redis fails commands and reads within bounds, and new connections work once it thaws", () =>
    Effect.gen(function* () {
      const own = yield* RedisServer.scoped()
      const client = yield* clientOf(own.url)
      const reader = yield* client.reader(keyNames.alive)
      expect(yield* reader.read(20, "BLPOP", "a", 0.02)).toBe(null)
      const worker = yield* Fleet.working(own.url, Fleet.parcelBehaviors(), { lease: Duration.seconds(6) })
      const trouble = worker.run(ActorSystem.use((system) => Effect.sync(() => system.trouble())))
      expect(yield* trouble).toBe(null)
      own.freeze()
      const command = yield* Effect.forkChild(Effect.flip(client.send("PING")))
      const read = yield* Effect.forkChild(Effect.flip(reader.read(300, "BLPOP", "a", 0.3)))
      expect(yield* Fiber.join(read)).toMatchObject({ _tag: "RedisUnavailable" })
      expect(yield* Fiber.join(command)).toMatchObject({ _tag: "RedisUnavailable", command: "PING" })
      expect(yield* trouble).toContain("no heartbeat answered")
      own.thaw()
      yield* Fleet.until(Effect.option(client.send("PING")), (pong) => pong._tag === "Some")
      expect(yield* reader.read(20, "BLPOP", "a", 0.02)).toBe(null)
      const id = yield* worker.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      yield* Fleet.until(trouble, (said) => said === null)
    })
  )

  it.live("a worker goes on by itself after Redis was restarted without its data", () =>
    Effect.gen(function* () {
      const own = yield* RedisServer.scoped()
      const worker = yield* Fleet.working(own.url, Fleet.parcelBehaviors())
      yield* Effect.promise(() => own.restart())
      const id = yield* Fleet.until(Effect.option(worker.run(Fleet.submit())), (one) => one._tag === "Some")
      if (id._tag === "None") return
      yield* Fleet.until(worker.run(Fleet.jobOf(id.value)), ({ state }) => state === "done")
    })
  )

  it.live(
    "an error of the server is RedisRefused with its code, and a reply of another shape is RedisReplyInvalid",
    () =>
      Effect.gen(function* () {
        const client = yield* clientOf(redis.url)
        yield* client.send("SET", "text", "a")
        expect(yield* Effect.flip(client.send("LPUSH", "text", "b"))).toMatchObject({
          _tag: "RedisRefused",
          code: "WRONGTYPE"
        })
        const decode = RedisClient.decodeReply("GET", Schema.Int)
        const odd = yield* Effect.flip(Effect.flatMap(client.send("GET", "text"), decode))
        expect(odd).toMatchObject({ _tag: "RedisReplyInvalid", command: "GET" })
      })
  )
})

describe("a reader", () => {
  it.live("a read ends at once when it is unblocked, and unblocking an idle reader does nothing", () =>
    Effect.gen(function* () {
      const client = yield* clientOf(redis.url)
      const reader = yield* client.reader(keyNames.alive)
      yield* reader.unblock
      const read = yield* Effect.forkChild(reader.read(20_000, "BLPOP", "a", 20))
      yield* Fleet.until(client.send("CLIENT", "LIST"), (list) => String(list).includes("cmd=blpop"))
      yield* reader.unblock
      expect(yield* Fiber.join(read)).toBe(null)
    })
  )

  it.live("A5 a read that is unblocked before it is sent is not sent, and takes nothing that comes later", () =>
    Effect.gen(function* () {
      const client = yield* clientOf(redis.url)
      const reader = yield* client.reader(keyNames.alive)
      yield* reader.read(1_000, "CLIENT", "ID")
      const read = yield* Effect.forkChild(reader.read(20_000, "BLPOP", "late", 20), { startImmediately: true })
      // in the tick in which the read began: an unblock that Redis had first would end nothing
      yield* reader.unblock
      yield* client.send("RPUSH", "late", "one")
      expect(yield* Fiber.join(read)).toBe(null)
      expect(yield* client.send("LLEN", "late")).toBe(1)
    })
  )

  it.live("A4 a reader that falls silent is replaced, and reads over another connection", () =>
    Effect.gen(function* () {
      const client = yield* clientOf(redis.url)
      const reader = yield* client.reader(keyNames.alive)
      const ownId = reader.read(1_000, "CLIENT", "ID")
      const silent = yield* ownId
      // Redis answers this one in 100 s
      expect(yield* Effect.flip(reader.read(100, "BLPOP", "a", 100))).toMatchObject({
        _tag: "RedisUnavailable",
        command: "BLPOP"
      })
      expect(yield* ownId).not.toBe(silent)
    })
  )

  it.live("a reader whose connection is cut fails its read, and reads again over a new one", () =>
    Effect.gen(function* () {
      const client = yield* clientOf(redis.url)
      const reader = yield* client.reader(keyNames.alive)
      const read = yield* Effect.forkChild(Effect.flip(reader.read(20_000, "BLPOP", "a", 20)))
      const list = yield* Fleet.until(client.send("CLIENT", "LIST"), (all) => String(all).includes("cmd=blpop"))
      const id = /id=(\d+)[^\n]*name=eco2-reader/.exec(String(list))?.[1] ?? ""
      yield* client.send("CLIENT", "KILL", "ID", id)
      expect(yield* Fiber.join(read)).toMatchObject({ _tag: "RedisUnavailable", command: "BLPOP" })
      yield* client.send("RPUSH", "a", "one")
      expect(yield* reader.read(1_000, "BLPOP", "a", 1)).toEqual(["a", "one"])
    })
  )

  it.live("a read that is ended by closing its connection is no failure, and the next one that breaks is", () =>
    Effect.gen(function* () {
      const admin = yield* clientOf(redis.url)
      yield* admin.send("ACL", "SETUSER", "mute", "reset", "on", ">mute", "~*", "&*", "+@all", "-client|unblock")
      const client = yield* clientOf(redis.url.replace("redis://", "redis://mute:mute@"))
      const reader = yield* client.reader(keyNames.alive)
      /** A read that Redis has begun. */
      const begun = Effect.gen(function* () {
        const read = yield* Effect.forkChild(Effect.exit(reader.read(20_000, "BLPOP", "closed", 20)))
        const list = yield* Fleet.until(admin.send("CLIENT", "LIST"), (all) => String(all).includes("cmd=blpop"))
        return { read, id: /id=(\d+)[^\n]*cmd=blpop/.exec(String(list))?.[1] ?? "" }
      })
      const closed = yield* begun
      yield* reader.unblock
      expect(yield* Fiber.join(closed.read)).toEqual(Exit.succeed(null))
      yield* Fleet.until(admin.send("CLIENT", "LIST"), (all) => !String(all).includes("cmd=blpop"))
      const broken = yield* begun
      yield* admin.send("CLIENT", "KILL", "ID", broken.id)
      expect(String(yield* Fiber.join(broken.read))).toContain("RedisUnavailable")
      yield* admin.send("ACL", "DELUSER", "mute")
    })
  )

  it.live("A4 a reader that a server lets connect, and answers nothing, fails its read in time", () =>
    Effect.gen(function* () {
      const mute = yield* Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const server = createServer()
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const client = yield* clientOf(`redis://127.0.0.1:${(mute.address() as AddressInfo).port}`)
      const reader = yield* client.reader(keyNames.alive)
      expect(yield* Effect.flip(reader.read(100, "BLPOP", "a", 0.1))).toMatchObject({
        _tag: "RedisUnavailable",
        command: "BLPOP"
      })
    })
  )
})
