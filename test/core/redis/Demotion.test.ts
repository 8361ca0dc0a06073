/** A server that is no longer the master is left, whoever notices it first: what it still acknowledges would be lost. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { RedisServer } from "@eco2/core/testing"
import * as Fleet from "../CoreFixture.ts"
import * as RedisCluster from "../RedisCluster.ts"
import * as RedisSentinel from "../RedisSentinel.ts"
import { operator, order, working } from "./LoggedWorker.ts"

const connected = (list: unknown) => String(list).includes("name=eco2")
const broke = "redis connection failed"
const back = "redis connection restored"

describe.concurrent("a demoted master", { timeout: 60_000 }, () => {
  it.live("a process leaves a master that its Sentinel replaced and cannot reach, though it still answers", () =>
    Effect.gen(function* () {
      const { masterUrl, partition, replica, sentinel, userUrl } = yield* RedisSentinel.pair
      const [old, promoted] = [yield* operator(masterUrl), yield* operator(replica.url)]
      const worker = yield* working(userUrl)
      yield* worker.done(yield* worker.submit)
      // a process that lost its Sentinel for a moment must hear of the next failover too
      yield* Effect.promise(() => sentinel.restart())
      yield* partition
      yield* Fleet.until(order(promoted, "INFO", "replication"), (info) => String(info).includes("role:master"))
      // its connections for commands and for reads
      yield* Fleet.until(order(old, "CLIENT", "LIST"), (list) => !connected(list)).pipe(Effect.timeout("15 seconds"))
      expect(String(yield* order(old, "INFO", "replication"))).toContain("role:master")
      const id = yield* Fleet.until(Effect.option(worker.submit), (one) => one._tag === "Some")
      if (id._tag === "Some") yield* worker.done(id.value)
      expect(connected(yield* order(promoted, "CLIENT", "LIST"))).toBe(true)
      expect(worker.logs.of(broke).map(({ facts }) => facts.error)).toEqual([
        `the master is now 127.0.0.1:${replica.port}`
      ])
      expect(worker.logs.of(back)).toHaveLength(1)
    })
  )

  it.live("a process that only reads notices that its server became a replica, and the server's return", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const admin = yield* operator(server.url)
      const client = yield* RedisCluster.clientOf(server.url)
      const reader = yield* client.reader("a")
      const read = yield* Effect.forkChild(
        Effect.exit(reader.read(60_000, "XREAD", "BLOCK", 60_000, "STREAMS", "a", "$"))
      )
      yield* Fleet.until(order(admin, "CLIENT", "LIST"), (list) => String(list).includes("cmd=xread "))
      yield* order(admin, "REPLICAOF", "127.0.0.1", yield* Effect.promise(RedisServer.freePort))
      yield* Fiber.join(read)
      yield* Fleet.until(Effect.sync(client.trouble), (said) => said === "Redis is a replica and takes no writes")
      yield* order(admin, "REPLICAOF", "NO", "ONE")
      yield* Fleet.until(Effect.sync(client.trouble), (said) => said === null)
      expect(yield* reader.read(20, "XREAD", "BLOCK", 20, "STREAMS", "a", "$")).toBe(null)
    })
  )

  it.live(
    "a client that reconnects to a server that became a replica meanwhile is unready without sending a write",
    () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.scoped()
        const admin = yield* operator(server.url)
        const client = yield* RedisCluster.clientOf(server.url)
        yield* client.send("PING")
        yield* order(admin, "CONFIG", "SET", "replica-serve-stale-data", "yes")
        yield* order(admin, "REPLICAOF", "127.0.0.1", yield* Effect.promise(RedisServer.freePort))
        expect(client.trouble()).toBe(null)
        yield* order(admin, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        yield* Fleet.until(Effect.sync(client.trouble), (said) => said === "Redis is a replica and takes no writes")
        yield* order(admin, "REPLICAOF", "NO", "ONE")
        yield* Fleet.until(Effect.sync(client.trouble), (said) => said === null)
      })
  )
})
