/** A Redis that would lose jobs is refused at start, by what the server itself says. */
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Fiber, Layer } from "effect"
import { Redis } from "ioredis"
import { Client, CoreConfig } from "@eco2/core"
import { MemoryUse, RedisClient } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import * as ServerInfo from "../../../packages/core/src/redis/ServerInfo.ts"
import { until } from "../CoreFixture.ts"
import * as RedisCluster from "../RedisCluster.ts"
import * as LogLines from "./LogLines.ts"
import { passingFor } from "./PassingFor.ts"

/** What stands on Redis in every process; null once it stands, else why it does not. */
const starting = (url: string, logs: LogLines.LogLines, redisCheck: "refuse" | "warn" = "refuse") =>
  Layer.build(
    Layer.fresh(
      Client.layer.pipe(
        Layer.provideMerge(Layer.merge(RedisClient.layerUrl(url), CoreConfig.layerWith({ redisCheck }))),
        Layer.provideMerge(logs.layer)
      )
    )
  )
const refusal = (url: string) => Effect.flip(starting(url, LogLines.make()))

const unfit = "redis does not meet the requirements"

describe("a Redis that evicts", () => {
  it.live("a Redis that evicts is refused at start, with its policy, the one needed, and how to start anyway", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped({ args: ["--maxmemory-policy", "allkeys-lru"] })
      const error = yield* refusal(server.url)
      expect(error).toMatchObject({ _tag: "RedisUnsuitable" })
      expect(error.message).toBe(
        `this Redis does not meet the requirements: 127.0.0.1:${server.port} has maxmemory-policy allkeys-lru, which deletes ` +
          "jobs when memory is short, and noeviction is needed. REDIS_CHECK=warn starts anyway"
      )
      const redis = new Redis(server.url)
      yield* Effect.addFinalizer(() => Effect.sync(() => redis.disconnect()))
      expect(yield* Effect.promise(() => redis.dbsize())).toBe(0)
    })
  )

  it.live("a Redis that evicts is used with REDIS_CHECK=warn, and logged once", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped({ args: ["--maxmemory-policy", "volatile-ttl"] })
      const logs = LogLines.make()
      yield* starting(server.url, logs, "warn")
      expect(logs.lines.map(({ level, text }) => [level, text])).toEqual([["Warn", unfit]])
      expect(String(logs.lines[0]?.facts.objections)).toContain("volatile-ttl")
    })
  )

  it.live("a Cluster with one master that evicts is refused, naming that master alone", () =>
    Effect.gen(function* () {
      const { servers, url } = yield* RedisCluster.start()
      const [, second] = servers
      const node = yield* RedisCluster.clientOf(second!.url)
      yield* node.send("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
      const error = yield* refusal(url)
      // which is also the one that uploads are measured by
      yield* node.send("CONFIG", "SET", "maxmemory", 1)
      const cluster = yield* RedisCluster.clientOf(url)
      const use = yield* Effect.flatten(Effect.provideService(MemoryUse.make, RedisClient.RedisClient, cluster))
      expect(use).toBeGreaterThan(1)
      expect(error.message.match(/127\.0\.0\.1:\d+/g)).toEqual([`127.0.0.1:${second!.port}`])
    })
  )

  it.live("an eviction policy set later is warned of once, however often the process reconnects", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const logs = LogLines.make()
      const client = Context.get(yield* starting(server.url, logs), RedisClient.RedisClient)
      const redis = new Redis(server.url)
      yield* Effect.addFinalizer(() => Effect.sync(() => redis.disconnect()))
      yield* Effect.promise(() => redis.config("SET", "maxmemory-policy", "allkeys-lru"))
      for (const times of [1, 2]) {
        yield* Effect.promise(() => redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
        yield* until(Effect.sync(client.reconnects), (seen) => seen === times)
        // answered after the look, which was sent before it
        yield* client.send("PING")
      }
      yield* logs.said(unfit)
      expect(logs.of(unfit)).toHaveLength(1)
    })
  )
})

describe("a Redis before 7.0", () => {
  it.live("a Redis before 7.0 is refused at start, and used with REDIS_CHECK=warn", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const client = yield* RedisCluster.clientOf(server.url)
      const version = /redis_version:(\S+)/.exec(String(yield* client.send("INFO")))?.[1] ?? ""
      const old = `6.${"2".repeat(version.length - 2)}`
      const url = yield* passingFor(server.port, new RegExp(version), old)
      const error = yield* refusal(url)
      expect(error.message).toContain(`is Redis ${old}, and 7.0 or newer is needed`)
      const logs = LogLines.make()
      yield* starting(url, logs, "warn")
      expect(logs.of(unfit)).toHaveLength(1)
    })
  )
})

describe("a Redis whose INFO is denied", () => {
  it.live("a Redis whose INFO is denied is used, and that is logged once", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const client = yield* RedisCluster.clientOf(server.url)
      yield* client.send("ACL", "SETUSER", "tenant", "on", ">secret", "~*", "&*", "+@all", "-info")
      const logs = LogLines.make()
      const context = yield* starting(server.url.replace("//", "//tenant:secret@"), logs)
      expect(yield* Effect.flatten(Effect.provideContext(MemoryUse.make, context))).toBe(0)
      expect(logs.lines.map(({ level, text }) => [level, text])).toEqual([
        ["Warn", "redis does not permit INFO; its version and maxmemory-policy are unknown"]
      ])
    })
  )
})

describe("a Redis that is busy when a process starts", () => {
  it.live("a start waits until a busy Redis answers, and does not take its INFO for forbidden", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped({ args: ["--busy-reply-threshold", "20"] })
      const admin = new Redis(server.url, { enableReadyCheck: false })
      const looping = new Redis(server.url)
      yield* Effect.promise(() => looping.ping())
      const endless = looping.eval("while true do end", 0).catch(() => "killed")
      const isBusy = () =>
        admin.ping().then(
          () => false,
          (error: Error) => error.message.startsWith("BUSY")
        )
      yield* until(Effect.promise(isBusy), (busy) => busy)
      const logs = LogLines.make()
      const started = yield* Effect.forkScoped(starting(server.url, logs))
      const seen = Effect.sync(() => logs.lines.map(({ text }) => text))
      yield* until(seen, (texts) => texts.length > 0)
      yield* Effect.promise(() => admin.script("KILL"))
      expect(yield* Effect.promise(() => endless)).toBe("killed")
      yield* Fiber.join(started)
      expect((yield* seen).filter((text) => text.includes("permit"))).toEqual([])
      admin.disconnect()
      looping.disconnect()
    })
  )
})

describe("the judgement of INFO", () => {
  const judged = (text: string) => ServerInfo.objections(ServerInfo.parse("redis:6379", text)).length
  it("every policy but noeviction and every release before 7.0 is objected to", () => {
    const policies = ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-ttl", "volatile-random"]
    for (const policy of policies) expect(judged(`redis_version:7.0.0\r\nmaxmemory_policy:${policy}\r\n`)).toBe(1)
    expect(judged("redis_version:7.0.0\r\nmaxmemory_policy:noeviction\r\n")).toBe(0)
    expect(judged("redis_version:10.1.2\r\nmaxmemory_policy:noeviction\r\n")).toBe(0)
    expect(judged("redis_version:5.0.14\r\nmaxmemory_policy:allkeys-lru\r\n")).toBe(2)
  })

  it("a Valkey is judged by the Redis release it is compatible with", () => {
    const valkey = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n"
    expect(judged(`${valkey}maxmemory_policy:noeviction\r\n`)).toBe(0)
  })

  it("a field that INFO leaves out is no objection, but is reported as unknown", () => {
    const silent = ServerInfo.parse("redis:6379", "# Server\r\n")
    expect(ServerInfo.objections(silent)).toEqual([])
    expect(ServerInfo.untold(silent)).toEqual(["redis_version", "maxmemory_policy"])
    expect(ServerInfo.memoryShare(silent)).toBe(0)
  })
})

describe("REDIS_CHECK", () => {
  it.effect("REDIS_CHECK takes refuse and warn, and any other word stops the process", () =>
    Effect.gen(function* () {
      const read = (env: Record<string, string>) =>
        CoreConfig.pipe(
          Effect.map(({ redisCheck }) => redisCheck),
          Effect.provide(Layer.fresh(CoreConfig.layer)),
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
        )
      expect(yield* read({})).toBe("refuse")
      expect(yield* read({ REDIS_CHECK: "warn" })).toBe("warn")
      expect((yield* Effect.flip(read({ REDIS_CHECK: "off" }))).cause.message).toBe(
        'REDIS_CHECK is "off"; allowed is refuse, warn'
      )
    })
  )
})
