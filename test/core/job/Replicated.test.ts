/** SUBMIT_REPLICAS: a submit is acknowledged once replicas have it, and nothing else waits for them. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { JobStore, Pipeline } from "@eco2/core"
import { Keyspace } from "@eco2/core/redis"
import { FaultProxy, RedisServer } from "@eco2/core/testing"
import * as HashSlot from "../../../packages/core/src/redis/HashSlot.ts"
import * as Fleet from "../CoreFixture.ts"
import * as RedisCluster from "../RedisCluster.ts"
import { until } from "../Until.ts"

/** A master and a replica that can be frozen. */
const pair = Effect.gen(function* () {
  const master = yield* RedisServer.scoped({ args: ["--repl-diskless-sync-delay", "0", "--repl-timeout", "3600"] })
  const replica = yield* RedisServer.scoped({ args: ["--replicaof", "127.0.0.1", String(master.port)] })
  const admin = yield* RedisCluster.clientOf(master.url)
  yield* until(admin.send("INFO", "replication"), (info) => String(info).includes("state=online"))
  yield* Effect.addFinalizer(() => Effect.sync(() => replica.thaw()))
  return { master, replica, admin }
})
const submit = (n: number, key: string | null = null) =>
  Pipeline.submit(Fleet.ParcelPipeline, { weight: n }, { owner: `owner ${n}`, key })
const refusal = new JobStore.NotReplicated({ wanted: 1, confirmed: 0 })
const callsOf = (info: unknown, command: string) =>
  Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(String(info))?.[1] ?? 0)

describe("a submit with SUBMIT_REPLICAS", () => {
  it.live(
    "a submit that a replica has is acknowledged; while the replica stands still it is not, nor is its repeat",
    () =>
      Effect.gen(function* () {
        const { master, replica } = yield* pair
        const client = yield* Fleet.joined(master.url, { submitReplicas: 1 })
        expect((yield* client.run(submit(1, "a"))).created).toBe(true)
        replica.freeze()
        expect(yield* Effect.flip(client.run(submit(2, "b")))).toEqual(refusal)
        expect(yield* Effect.flip(client.run(submit(2, "b")))).toEqual(refusal)
        replica.thaw()
        // J6: the job that was stored, not another
        expect((yield* client.run(submit(2, "b"))).created).toBe(false)
      })
  )

  it.live("submits that come together wait together: fifty in four partitions cost one WAIT", () =>
    Effect.gen(function* () {
      const { admin, master } = yield* pair
      const client = yield* Fleet.joined(master.url, { submitReplicas: 1 })
      yield* client.run(submit(0))
      const before = callsOf(yield* admin.send("INFO", "commandstats"), "wait")
      const submits = Array.from({ length: 50 }, (_, n) => submit(n))
      yield* client.run(Effect.all(submits, { concurrency: "unbounded" }))
      expect(callsOf(yield* admin.send("INFO", "commandstats"), "wait") - before).toBe(1)
    })
  )

  it.live("other commands of the process do not wait for replicas", () =>
    Effect.gen(function* () {
      const { master, replica } = yield* pair
      const client = yield* Fleet.joined(master.url, { submitReplicas: 1 })
      const { id } = yield* client.run(submit(1))
      replica.freeze()
      const waiting = yield* Effect.forkChild(client.run(Effect.exit(submit(2))), { startImmediately: true })
      yield* until(client.send("CLIENT", "LIST"), (list) => /name=eco2-replicated .*flags=b/.test(String(list)))
      const job = yield* client.run(JobStore.JobStore.use((store) => store.get(id)))
      expect(job?.state).toBe("waiting")
      expect(waiting.pollUnsafe()).toBe(undefined)
      replica.thaw()
      yield* Fiber.join(waiting)
    })
  )

  it.live("without SUBMIT_REPLICAS no WAIT is sent and no connection is opened for it", () =>
    Effect.gen(function* () {
      const { admin, master } = yield* pair
      const client = yield* Fleet.joined(master.url)
      yield* client.run(submit(1))
      expect(callsOf(yield* admin.send("INFO", "commandstats"), "wait")).toBe(0)
      expect(String(yield* admin.send("CLIENT", "LIST"))).not.toContain("eco2-replicated")
    })
  )

  it.live("a submit whose connection breaks before replicas confirm is unknown, and the next one is acknowledged", () =>
    Effect.gen(function* () {
      const { admin, master, replica } = yield* pair
      const proxy = yield* Effect.acquireRelease(
        Effect.promise(() => FaultProxy.start(master.port)),
        (one) => Effect.promise(() => one.close())
      )
      const client = yield* Fleet.joined(proxy.url, { submitReplicas: 1 })
      yield* client.run(submit(1))
      replica.freeze()
      const waiting = yield* Effect.forkChild(Effect.flip(client.run(submit(2, "b"))), { startImmediately: true })
      yield* until(admin.send("CLIENT", "LIST"), (list) => /name=eco2-replicated .*flags=b/.test(String(list)))
      proxy.cut()
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "RedisUnavailable" })
      replica.thaw()
      expect((yield* client.run(submit(2, "b"))).created).toBe(false)
    })
  )

  it.live("on a Cluster each master's replicas are asked, and a master without one confirms nothing", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisCluster.start()
      const client = yield* Fleet.joined(url, { submitReplicas: 1 })
      for (const n of [1, 2, 3, 4, 5, 6]) {
        expect(yield* Effect.flip(client.run(submit(n, "k")))).toEqual(refusal)
      }
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(6)
    })
  )

  it.live("on a Cluster a submit whose slot has moved is stored by the slot's new master", () =>
    Effect.gen(function* () {
      const { servers, url } = yield* RedisCluster.start()
      const client = yield* Fleet.joined(url, { submitReplicas: 1 })
      const nodes = yield* Effect.forEach(servers, (server) => RedisCluster.clientOf(server.url))
      expect(yield* Effect.flip(client.run(submit(1)))).toEqual(refusal)
      // each partition's slot goes to the next master; the job stored above is in one of them, which stays
      const keyspace = yield* client.run(Keyspace)
      const moved = keyspace.partitions.filter((partition) => partition !== keyspace.of("owner 1"))
      for (const { root } of moved) {
        const slot = HashSlot.hashSlot(root)
        const from = Math.floor((slot * 3) / HashSlot.slots)
        const to = String(yield* nodes[(from + 1) % 3]!.send("CLUSTER", "MYID"))
        for (const one of [(from + 1) % 3, from]) yield* nodes[one]!.send("CLUSTER", "SETSLOT", slot, "NODE", to)
      }
      const submits = Array.from({ length: 18 }, (_, i) => Effect.flip(client.run(submit(i + 2))))
      const refusals = yield* Effect.all(submits, { concurrency: "unbounded" })
      expect(refusals).toEqual(refusals.map(() => refusal))
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(19)
    })
  )
})
