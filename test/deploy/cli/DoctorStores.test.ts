/** `eco2 doctor` on real stores, healthy and not: its findings, its advice, and its exit code. */
import { describe, expect, it } from "@effect/vitest"
import { Keyspace } from "@eco2/core/redis"
import { PostgresServer, RedisServer } from "@eco2/core/testing"
import { Clock, ConfigProvider, Effect, References } from "effect"
import { Redis } from "ioredis"
import { afterAll, beforeAll } from "vitest"
import type { Finding } from "../../../deploy/cli/doctor/Finding.ts"
import * as JobDoctor from "../../../deploy/cli/doctor/JobDoctor.ts"
import * as MailboxDoctor from "../../../deploy/cli/doctor/MailboxDoctor.ts"
import * as RedisDoctor from "../../../deploy/cli/doctor/RedisDoctor.ts"
import * as Fleet from "../../core/CoreFixture.ts"
import { passingFor } from "../../core/redis/PassingFor.ts"
import * as RedisCluster from "../../core/RedisCluster.ts"
import * as RedisSentinel from "../../core/RedisSentinel.ts"
import { until } from "../../core/Until.ts"
import { runWith } from "./Operating.ts"

const examine = (url: string, partitions = 4, more: Readonly<Record<string, string>> = {}) =>
  RedisDoctor.examine(partitions).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: { REDIS_URL: url, ...more } })),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
const of = (findings: ReadonlyArray<Finding>, check: string) => findings.find((finding) => finding.check === check)
const levels = (findings: ReadonlyArray<Finding>) =>
  Object.fromEntries(findings.map(({ check, level }) => [check.replace("redis.", ""), level]))

/** A healthy one, without a replica. */
const sound = ["--appendonly", "yes", "--maxmemory", "256mb"]

describe("the doctor on one Redis", () => {
  it.live("a sound Redis passes every check, with a warning that it has no replica", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.scoped({ args: sound })
      const found = levels(yield* examine(url))
      expect(found).toEqual({
        version: "ok",
        eviction: "ok",
        memory: "ok",
        persistence: "ok",
        permissions: "ok",
        replicas: "warn",
        latency: found.latency,
        clock: "ok"
      })
    })
  )

  const unfit: ReadonlyArray<readonly [string, ReadonlyArray<string>, string, "warn" | "fail", RegExp, RegExp]> = [
    ["evicts", ["--maxmemory-policy", "allkeys-lru"], "eviction", "fail", /allkeys-lru/, /noeviction/],
    [
      "evicts what has a time limit",
      ["--maxmemory-policy", "volatile-ttl"],
      "eviction",
      "fail",
      /volatile-ttl/,
      /noeviction/
    ],
    ["keeps nothing", ["--appendonly", "no"], "persistence", "fail", /a restart loses every job/, /appendonly yes/],
    [
      "has snapshots alone",
      ["--appendonly", "no", "--save", "60 1"],
      "persistence",
      "warn",
      /save 60 1/,
      /appendonly yes/
    ],
    ["leaves syncing to chance", ["--appendfsync", "no"], "persistence", "warn", /appendfsync no/, /everysec/],
    ["has no limit", ["--maxmemory", "0"], "memory", "warn", /no limit/, /maxmemory/]
  ]
  it.live.each(unfit)("a Redis that %s is reported with advice", ([, args, check, level, found, advice]) =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.scoped({ args: [...sound, ...args] })
      expect(of(yield* examine(url), `redis.${check}`)).toEqual({
        check: `redis.${check}`,
        level,
        found: expect.stringMatching(found),
        advice: expect.stringMatching(advice)
      })
    })
  )

  it.live("a Redis that is nearly full is reported with advice", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.scoped({ args: sound })
      const redis = new Redis(url)
      yield* Effect.addFinalizer(() => Effect.sync(() => redis.disconnect()))
      // how much an empty server uses differs from release to release
      const used = yield* Effect.promise(async () => Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]))
      yield* Effect.promise(() => redis.config("SET", "maxmemory", Math.round(used / 0.9)))
      expect(of(yield* examine(url), "redis.memory")).toMatchObject({
        level: "fail",
        advice: expect.stringContaining("raise maxmemory")
      })
    })
  )

  it.live("a Redis before 7.0 fails the check of its version", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped({ args: sound })
      const url = yield* passingFor(server.port, /\d\./, "6.")
      expect(of(yield* examine(url), "redis.version")).toMatchObject({
        level: "fail",
        advice: expect.stringContaining("7.0")
      })
    })
  )

  it.live("a Redis user that lacks a permission, or may not end blocking reads, is reported with the rule", () =>
    Effect.gen(function* () {
      const { port, url } = yield* RedisServer.scoped({ args: sound })
      const admin = yield* RedisCluster.clientOf(url)
      for (const [rule, level, said] of [
        ["-xclaim", "fail", /lacks \+xclaim/],
        ["-client|unblock", "warn", /CLIENT UNBLOCK is not permitted/]
      ] as const) {
        yield* admin.send("ACL", "SETUSER", "eco2", "reset", "on", ">pw", "~*", "+@all", rule)
        const finding = of(yield* examine(`redis://eco2:pw@127.0.0.1:${port}`), "redis.permissions")
        expect(finding).toMatchObject({ level, found: expect.stringMatching(said) })
      }
    })
  )

  it.live("a user that may not wait for replicas fails with SUBMIT_REPLICAS, and passes without", () =>
    Effect.gen(function* () {
      const { port, url } = yield* RedisServer.scoped({ args: sound })
      const admin = yield* RedisCluster.clientOf(url)
      yield* admin.send("ACL", "SETUSER", "eco2", "reset", "on", ">pw", "~*", "+@all", "-wait")
      const levelWith = (replicas: string) =>
        Effect.map(examine(`redis://eco2:pw@127.0.0.1:${port}`, 4, { SUBMIT_REPLICAS: replicas }), (findings) =>
          of(findings, "redis.permissions")
        )
      expect(yield* levelWith("1")).toMatchObject({ level: "fail", found: expect.stringMatching(/lacks \+wait/) })
      expect(yield* levelWith("0")).toMatchObject({ level: "ok" })
    })
  )

  it.live("a Redis that is a replica fails, as it takes no writes", () =>
    Effect.gen(function* () {
      const master = yield* RedisServer.scoped({ args: sound })
      const { url } = yield* RedisServer.scoped({ args: [...sound, "--replicaof", "127.0.0.1", String(master.port)] })
      expect(of(yield* examine(url), "redis.role")).toMatchObject({ level: "fail" })
    })
  )

  it.live("a Redis that denies INFO and CONFIG is reported as unknown, never as sound", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped({ args: sound })
      const client = yield* RedisCluster.clientOf(server.url)
      const user = (name: string, ...denied: ReadonlyArray<string>) =>
        client.send("ACL", "SETUSER", name, "on", ">secret", "~*", "&*", "+@all", ...denied)
      const as = (name: string) => server.url.replace("//", `//${name}:secret@`)
      yield* user("blind", "-info", "-config")
      expect(levels(yield* examine(as("blind")))).toMatchObject({ info: "warn", clock: "ok" })
      yield* user("managed", "-config")
      expect(of(yield* examine(as("managed")), "redis.persistence")?.found).toContain("appendfsync unknown")
      yield* client.send("CONFIG", "SET", "appendonly", "no")
      expect(of(yield* examine(as("managed")), "redis.persistence")).toMatchObject({
        level: "warn",
        found: expect.stringContaining("save points are unknown")
      })
    })
  )

  it.live.each([
    [500, "ok"],
    [-2_000, "warn"],
    [60_000, "fail"]
  ] as const)("a clock that is %i ms off is reported as %s", ([skew, level]) =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.scoped({ args: sound })
      const clock = yield* Clock.Clock
      const skewed: Clock.Clock = {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + skew,
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + skew),
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
        currentTimeNanos: clock.currentTimeNanos,
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      }
      const finding = of(yield* Effect.provideService(examine(url), Clock.Clock, skewed), "redis.clock")
      expect([finding?.level, finding?.found]).toEqual([
        level,
        expect.stringContaining(skew < 0 ? "ahead of" : "behind")
      ])
    })
  )

  it.live("a Redis that does not answer, or refuses the login, is one finding without the password", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(() => RedisServer.freePort())
      const nobody = yield* examine(`redis://user:hunter2@127.0.0.1:${port}`)
      expect(nobody).toEqual([expect.objectContaining({ check: "redis.reach", level: "fail" })])
      const locked = yield* RedisServer.scoped({ args: ["--requirepass", "right"] })
      const refused = yield* examine(locked.url.replace("//", "//:hunter2@"))
      expect(refused).toEqual([expect.objectContaining({ check: "redis.reach", level: "fail" })])
      expect(JSON.stringify([nobody, refused])).not.toContain("hunter2")
      expect(yield* examine("http://x")).toEqual([expect.objectContaining({ check: "redis.reach", level: "fail" })])
    })
  )
})

describe("the doctor on a Redis with failover", () => {
  it.live("Redis behind Sentinel gets warnings for a single Sentinel, and for a master that accepts being alone", () =>
    Effect.gen(function* () {
      const { master, replica, url } = yield* RedisSentinel.pair
      const before = yield* examine(url)
      expect(of(before, "redis.sentinel")).toMatchObject({
        level: "warn",
        found: expect.stringContaining("1 Sentinel")
      })
      expect(of(before, "redis.replicas")).toMatchObject({ level: "ok", found: "1 connected" })
      expect(of(before, "redis.min-replicas")).toMatchObject({ level: "warn" })
      const admin = yield* RedisCluster.clientOf(master.url)
      yield* admin.send("CONFIG", "SET", "min-replicas-to-write", 1)
      expect(of(yield* examine(url), "redis.min-replicas")).toMatchObject({ level: "ok" })
      yield* Effect.promise(() => replica.kill9())
      yield* until(admin.send("INFO", "replication"), (info) => String(info).includes("connected_slaves:0"))
      expect(of(yield* examine(url), "redis.replicas")).toMatchObject({ level: "fail" })
    })
  )

  it.live(
    "a Cluster is checked for masters without replicas, uneven partitions, open slots and slots that are not served",
    () =>
      Effect.gen(function* () {
        const { servers, url } = yield* RedisCluster.start()
        const found = yield* examine(url, 4)
        expect(of(found, "redis.replicas")).toMatchObject({ level: "fail", found: expect.stringContaining("3 of 3") })
        expect(of(found, "redis.cluster")).toMatchObject({ level: "ok" })
        expect(of(found, "redis.partitions")).toMatchObject({ level: "warn" })
        expect(of(yield* examine(url, 6), "redis.partitions")).toMatchObject({ level: "ok" })
        expect(of(found, "redis.slots")).toBeUndefined()
        const first = yield* RedisCluster.clientOf(servers[0]!.url)
        yield* RedisCluster.openSlot(7, servers[0]!, servers[1]!)
        expect(of(yield* examine(url, 6), "redis.slots")).toMatchObject({
          level: "warn",
          found: expect.stringMatching(/:\d+: 1 open, .*:\d+: 1 open/),
          advice: expect.stringContaining("--cluster fix")
        })
        yield* first.send("CLUSTER", "DELSLOTS", 0)
        yield* until(first.send("CLUSTER", "INFO"), (info) => String(info).includes("cluster_state:fail"))
        // reported by the servers, or by the first command, depending on which master is asked
        expect(yield* examine(url, 6)).toContainEqual(
          expect.objectContaining({ level: "fail", check: expect.stringMatching(/^redis\.(cluster|reach)$/) })
        )
      })
  )
})

describe("the doctor on mailboxes", () => {
  const examine = (url: string) =>
    MailboxDoctor.examine.pipe(
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: { REDIS_URL: url } })),
      Effect.provideService(References.MinimumLogLevel, "None")
    )

  it.live("a mailbox that has had work for a minute and that no process serves is named by the doctor", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.scoped()
      const client = yield* Fleet.joined(url)
      expect(yield* examine(url)).toEqual([
        { check: "mailboxes.served", level: "ok", found: "every mailbox with work is served", advice: null },
        {
          check: "mailboxes.servers",
          level: "warn",
          found: expect.stringMatching(/^no living process serves scan\.vision, .*character/),
          advice: expect.stringContaining("REDIS_URL")
        }
      ])
      // work of two minutes ago, by the clock of its sender
      const past = yield* Fleet.joined(url, { clockOffsetMillis: -120_000 })
      yield* past.run(Fleet.submit())
      const [finding] = yield* examine(url)
      expect(finding).toMatchObject({
        check: "mailboxes.served",
        level: "fail",
        found: expect.stringMatching(/^parcel\.weigh: 1 entries, the oldest 1[2-9]\d s old, and no process serves it$/)
      })
      const hand = yield* Fleet.byHand(client, "hand")
      yield* hand.take("weigh")
      // a process that has not said what it serves may serve anything
      expect(yield* examine(url)).toMatchObject([{ level: "ok" }])
    })
  )

  it.live(
    "a Redis without Eco²'s data, or that does not answer, is no finding on mailboxes, and is left as it is",
    () =>
      Effect.gen(function* () {
        const { url } = yield* RedisServer.scoped()
        expect(yield* examine(url)).toEqual([])
        expect(yield* Effect.flatMap(RedisCluster.clientOf(url), (redis) => redis.send("DBSIZE"))).toBe(0)
        expect(yield* examine("http://x")).toEqual([])
      })
  )
})

describe("the doctor on jobs", () => {
  const scrub = (url: string) =>
    JobDoctor.examine.pipe(
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({ env: { REDIS_URL: url, LEASE: "1 second" } })
      ),
      Effect.provideService(References.MinimumLogLevel, "None")
    )

  it.live("jobs that nothing in Redis stands for are named by the doctor, put back, and sound the next time", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.scoped()
      const client = yield* Fleet.joined(url)
      const [lost, sound] = [yield* client.run(Fleet.submit()), yield* client.run(Fleet.submit())]
      const { of: partitionOf } = yield* client.run(Keyspace)
      const { cur = "" } = yield* Fleet.hashOf(client, lost)
      const entry = cur.slice(cur.lastIndexOf(":") + 1)
      expect(yield* client.send("XDEL", partitionOf(lost).mailbox("parcel.weigh"), entry)).toBe(1)
      const [finding] = yield* scrub(url)
      expect(finding).toMatchObject({
        check: "jobs.places",
        level: "fail",
        found: `1 without a place in Redis, put back (2 jobs looked at): ${lost} (weigh: no entry)`
      })
      expect(finding?.found).not.toContain(sound)
      expect(yield* scrub(url)).toEqual([expect.objectContaining({ level: "ok", found: "2 jobs, each in its place" })])
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(2)
    })
  )

  it.live("a Redis that does not answer is a finding of the look at jobs", () =>
    Effect.gen(function* () {
      expect(yield* scrub("http://x")).toEqual([expect.objectContaining({ check: "jobs.places", level: "fail" })])
    })
  )
})

describe.skipIf(!PostgresServer.isInstalled())("the doctor on Postgres", () => {
  let server: PostgresServer.PostgresServer
  let redis: RedisServer.RedisServer
  beforeAll(async () => {
    server = await PostgresServer.start()
    redis = await RedisServer.start({ args: [...sound] })
  })
  afterAll(async () => {
    await server.stop()
    await redis.stop()
  })
  const env = (changes: Readonly<Record<string, string>>) => ({
    REDIS_URL: redis.url,
    OPENAI_MODELS: "",
    GEMINI_MODELS: "",
    SIMULATED_MODEL: "true",
    ...changes
  })
  const told = async (changes: Readonly<Record<string, string>>) => {
    const { code, err, out } = await runWith(env(changes))("doctor", "--json")
    const findings: ReadonlyArray<Finding> = JSON.parse(out).findings
    return { code, err, of: (check: string) => findings.find((finding) => finding.check === check) }
  }

  it("an empty database fails until it is migrated, and then all checks pass with exit code 0", async () => {
    const DATABASE_URL = await server.database("doctor")
    const before = await told({ DATABASE_URL })
    expect(before.of("postgres.migrations")).toMatchObject({ level: "fail", advice: "run `eco2 migrate`" })
    expect([before.code, before.err]).toEqual([1, expect.stringMatching(/^eco2: 1 of \d+ checks failed$/)])
    await runWith(env({ DATABASE_URL }))("migrate")
    const after = await told({ DATABASE_URL })
    expect([after.code, after.err]).toEqual([0, ""])
    for (const check of ["version", "writable", "connections", "migrations", "clock"]) {
      expect(after.of(`postgres.${check}`)).toMatchObject({ level: "ok", advice: null })
    }
  })

  it("more connections a process than the server has room for are a warning", async () => {
    const DATABASE_URL = await server.database("crowded")
    expect((await told({ DATABASE_URL, DATABASE_POOL: "50" })).of("postgres.connections")).toMatchObject({
      level: "warn"
    })
  })

  it("a missing DATABASE_URL is a warning, and one that does not answer a failure without its password", async () => {
    expect((await told({})).of("postgres.url")).toMatchObject({ level: "warn" })
    const port = await RedisServer.freePort()
    const away = await told({ DATABASE_URL: `postgres://user:hunter2@127.0.0.1:${port}/eco2` })
    expect(away.of("postgres.reach")).toMatchObject({ level: "fail" })
    expect(JSON.stringify([away.of("postgres.reach"), away.err])).not.toContain("hunter2")
  })

  it("the doctor prints a line for each finding, with advice below it", async () => {
    const { code, out } = await runWith(env({}))("doctor")
    expect(code).toBe(0)
    expect(out).toMatch(/^ok {4}redis\.version +\d/m)
    expect(out).toMatch(/^warn {2}postgres\.url .*\n +-> not needed by scan-workers/m)
  })

  it("a wrong setting of the doctor is code 2, in one line", async () => {
    expect(await runWith(env({ PARTITIONS: "many" }))("doctor")).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringContaining("PARTITIONS")
    })
    expect(await runWith(env({}))("doctor", "--url", "ftp://x")).toMatchObject({ code: 2, out: "" })
  })
})
