/**
 * RedisDoctor: checks whether the Redis at REDIS_URL keeps its data: version, eviction, memory, persistence, failover, latency,
 * clock. Changes nothing. It requests INFO from every master, and CONFIG from one; if CONFIG is not permitted (managed Redis),
 * it says so. docs/operations/redis.md has the consequences of each finding.
 */
import { submitReplicas } from "@eco2/core/client"
import { Credentials, RedisClient, RedisSettings, ServerInfo } from "@eco2/core/redis"
import type { RedisUrl } from "@eco2/core/redis"
import { Clock, Config, Effect, Layer, Result, Schema } from "effect"
import { failing, ofClock, ok, warn } from "./Finding.ts"
import type { Finding } from "./Finding.ts"

type Info = ServerInfo.ServerInfo
const { RedisClient: Redis } = RedisClient

const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`
const count = (info: Info, name: string) => Number(info.field(name) ?? 0)

const ofVersion = (infos: ReadonlyArray<Info>): Finding => {
  const old = infos.flatMap(ServerInfo.tooOld)
  const told = [...new Set(infos.map(({ field }) => field("valkey_version") ?? field("redis_version") ?? "unknown"))]
  return old.length > 0
    ? failing("redis.version", old.join("; "), "use Redis 7.0 or newer, or Valkey")
    : ok("redis.version", `${told.join(", ")}${infos.length > 1 ? `, ${infos.length} masters` : ""}`)
}

const ofEviction = (infos: ReadonlyArray<Info>): Finding => {
  const evicting = infos.flatMap(ServerInfo.evicting)
  return evicting.length > 0
    ? failing("redis.eviction", evicting.join("; "), "set maxmemory-policy noeviction")
    : ok("redis.eviction", "noeviction")
}

const ofMemory = (infos: ReadonlyArray<Info>): Finding => {
  const info = ServerInfo.fullest(infos)
  const { limit, used } = info === undefined ? { limit: 0, used: 0 } : ServerInfo.memory(info)
  if (limit === 0) {
    return warn(
      "redis.memory",
      `${mebibytes(used)} in use, no limit`,
      "set maxmemory to what the machine can spare: with a limit Redis refuses writes, without one the system kills Redis"
    )
  }
  const found = `${mebibytes(used)} of ${mebibytes(limit)}`
  if (used > 0.8 * limit) return failing("redis.memory", found, "raise maxmemory: pictures are refused from 80 % on")
  return used > 0.6 * limit ? warn("redis.memory", found, "raise maxmemory before 80 %") : ok("redis.memory", found)
}

/** `settings`: null if CONFIG is not permitted. */
const ofPersistence = (infos: ReadonlyArray<Info>, settings: ReadonlyMap<string, string> | null): Finding => {
  const check = "redis.persistence"
  const aof = infos.filter((info) => count(info, "aof_enabled") > 0).length
  const sick = infos.filter(({ field }) => (field("aof_last_write_status") ?? "ok") !== "ok")
  if (sick.length > 0) {
    return failing(
      check,
      `${sick.map(({ server }) => server).join(", ")} cannot write its append-only file`,
      "check its disk"
    )
  }
  if (aof === infos.length) {
    const fsync = settings?.get("appendfsync") ?? "unknown"
    const found = `append-only file, appendfsync ${fsync}`
    return fsync === "no"
      ? warn(check, found, "set appendfsync everysec, or always if no acknowledged job may be lost")
      : ok(check, found)
  }
  const save = settings?.get("save")
  if (save === undefined) return warn(check, "no append-only file; save points are unknown", "set appendonly yes")
  return save === ""
    ? failing(check, "no persistence: a restart loses every job", "set appendonly yes")
    : warn(check, `only snapshots (save ${save}): a crash loses everything since the last one`, "set appendonly yes")
}

const ofReplicas = (
  infos: ReadonlyArray<Info>,
  settings: ReadonlyMap<string, string> | null,
  topology: RedisUrl.RedisUrl["_tag"]
): ReadonlyArray<Finding> => {
  if (infos.some(ServerInfo.isReplica)) {
    return [
      failing("redis.role", "a replica, which accepts no writes", "point REDIS_URL at the master or at the Sentinels")
    ]
  }
  const alone = infos.filter((info) => count(info, "connected_slaves") === 0)
  const check = "redis.replicas"
  if (alone.length > 0) {
    const who = infos.length > 1 ? `${alone.length} of ${infos.length} masters have no replica` : "no replica"
    return [
      topology === "Standalone"
        ? warn(
            check,
            `${who}: while this server is down, nothing is accepted`,
            "fine for one machine; otherwise add a replica and Sentinel"
          )
        : failing(check, `${who}: no server can take over`, "add a replica to each master")
    ]
  }
  const wanted = settings?.get("min-replicas-to-write")
  return [
    ok(check, `${infos.map((info) => count(info, "connected_slaves")).join(" + ")} connected`),
    wanted === "0"
      ? warn(
          "redis.min-replicas",
          "min-replicas-to-write 0: a master that is cut off still accepts jobs, which are lost when it is replaced",
          "set min-replicas-to-write 1 and min-replicas-max-lag 10"
        )
      : ok("redis.min-replicas", wanted === undefined ? "unknown" : `min-replicas-to-write ${wanted}`)
  ]
}

/** Slots on their way from one master to another; work in them stands still until they have arrived. */
const ofOpenSlots = (infos: ReadonlyArray<Info>): ReadonlyArray<Finding> => {
  const open = infos.filter((info) => count(info, "cluster_open_slots") > 0)
  return open.length === 0
    ? []
    : [
        warn(
          "redis.slots",
          `${open.map((info) => `${info.server}: ${count(info, "cluster_open_slots")} open`).join(", ")}`,
          "if nobody moves slots now: redis-cli --cluster fix <host:port>"
        )
      ]
}

const ofCluster = (infos: ReadonlyArray<Info>, partitions: number): ReadonlyArray<Finding> => {
  const bad = infos.filter(({ field }) => field("cluster_state") !== "ok" || field("cluster_slots_ok") !== "16384")
  return [
    bad.length > 0
      ? failing(
          "redis.cluster",
          `${bad.map(({ server }) => server).join(", ")}: not all slots are served`,
          "see CLUSTER INFO and CLUSTER NODES"
        )
      : ok("redis.cluster", `${infos.length} masters, all slots served`),
    ...ofOpenSlots(infos),
    partitions % infos.length === 0
      ? ok("redis.partitions", `${partitions} over ${infos.length} masters`)
      : warn(
          "redis.partitions",
          `${partitions} over ${infos.length} masters: some have more work than others`,
          "before the first job, set PARTITIONS to a multiple of the masters"
        )
  ]
}

type Given = RedisSettings.RedisSettings
/** Connects to the Sentinels as RedisClient does, with what they ask for. */
const ofSentinels = Effect.fnUntraced(function* (
  { sentinel: wanted, tls }: Given,
  url: RedisUrl.RedisUrl & { readonly _tag: "Sentinel" }
) {
  const credentials = Credentials.fixed(wanted.username, wanted.password)
  const check = "redis.sentinel"
  const asked = yield* Effect.forEach(
    url.sentinels,
    ({ host, port }) =>
      Effect.gen(function* () {
        const sentinel = yield* Redis
        return yield* sentinel.send("SENTINEL", "CKQUORUM", url.name)
      }).pipe(
        Effect.provide(
          Layer.fresh(
            RedisClient.layerUrl(`${url.sentinelTls ? "rediss" : "redis"}://${host}:${port}`, { credentials, tls })
          )
        ),
        Effect.result,
        Effect.map((answer) => ({ answer, sentinel: `${host}:${port}` }))
      ),
    { concurrency: "unbounded" }
  )
  const wrong = asked.flatMap(({ answer, sentinel }) =>
    Result.isFailure(answer) ? [`${sentinel}: ${answer.failure.message}`] : []
  )
  if (wrong.length > 0) return failing(check, wrong.join("; "), "every Sentinel must answer and see a quorum")
  return asked.length < 3
    ? warn(check, `only ${asked.length} Sentinel: if it fails, there is no failover`, "run three, on separate machines")
    : ok(check, `${asked.length} Sentinels, quorum reached`)
})

const pings = 50
const slowMillis = 5
const worstMillis = 250

const ofLatency = Effect.gen(function* () {
  const redis = yield* Redis
  const took: Array<number> = []
  for (let i = 0; i < pings; i++) {
    const since = performance.now()
    yield* redis.send("PING")
    took.push(performance.now() - since)
  }
  // the first one includes connecting
  const sorted = took.slice(1).toSorted((a, b) => a - b)
  const p50 = sorted[Math.floor(sorted.length / 2)] ?? 0
  const max = sorted.at(-1) ?? 0
  const found = `PING p50 ${p50.toFixed(2)} ms, max ${max.toFixed(2)} ms of ${sorted.length}`
  return p50 > slowMillis || max > worstMillis
    ? warn(
        "redis.latency",
        found,
        "a stage needs about three round trips: place Redis nearby, and check SLOWLOG and its machine"
      )
    : ok("redis.latency", found)
})

const decodeTime = Schema.decodeUnknownEffect(Schema.Tuple([Schema.NumberFromString, Schema.NumberFromString]))
const ofTime = Effect.gen(function* () {
  const redis = yield* Redis
  const before = yield* Clock.currentTimeMillis
  const [seconds, micros] = yield* Effect.flatMap(redis.send("TIME"), decodeTime)
  const after = yield* Clock.currentTimeMillis
  return ofClock("redis.clock", (before + after) / 2 - (seconds * 1000 + micros / 1000), "Redis's machine")
})

const decodeSettings = Schema.decodeUnknownEffect(Schema.Array(Schema.String))
/** Redis omits names that its version does not know. */
const settings = Effect.gen(function* () {
  const redis = yield* Redis
  const found = new Map<string, string>()
  for (const name of ["appendfsync", "save", "min-replicas-to-write"]) {
    const [, value] = yield* Effect.flatMap(redis.send("CONFIG", "GET", name), decodeSettings)
    if (value !== undefined) found.set(name, value)
  }
  return found
}).pipe(Effect.catchTag("RedisRefused", () => Effect.succeed(null)))

/** What our user may not do, and whether blocking reads can be ended. */
const ofPermissions = Effect.gen(function* () {
  const redis = yield* Redis
  const lacked = yield* redis.lackedPermissions({ replicas: (yield* submitReplicas) > 0 })
  if (lacked.length > 0) {
    return failing(
      "redis.permissions",
      `the ACL of this user lacks ${lacked.join(" ")}`,
      "docs/operations/redis.md#permissions has the ACL"
    )
  }
  const ends = yield* Effect.scoped(Effect.flatMap(redis.reader(redis.keys.fleet), (reader) => reader.ends))
  return ends
    ? ok("redis.permissions", "all commands, CLIENT UNBLOCK too")
    : warn(
        "redis.permissions",
        "CLIENT UNBLOCK is not permitted: workers read in turns of 100 ms while slots are taken",
        "permit it if you can; docs/operations/redis.md#permissions has its cost"
      )
}).pipe(
  Effect.catch((error) =>
    Effect.succeed(warn("redis.permissions", `unknown: ${error.message}`, "see the findings above"))
  )
)

const examineOpen = Effect.fnUntraced(function* (given: Given, partitions: number) {
  const { url } = given
  const redis = yield* Redis
  const infos = yield* Effect.catchTag(redis.servers, "RedisRefused", () => Effect.succeed([]))
  const about =
    infos.length === 0
      ? [
          warn(
            "redis.info",
            "INFO is not permitted: version, memory and persistence are unknown",
            "permit INFO to this user"
          )
        ]
      : yield* Effect.gen(function* () {
          const configured = yield* settings
          return [
            ofVersion(infos),
            ofEviction(infos),
            ofMemory(infos),
            ofPersistence(infos, configured),
            ...ofReplicas(infos, configured, redis.topology),
            ...(redis.topology === "Cluster" ? ofCluster(infos, partitions) : [])
          ]
        })
  return [
    ...about,
    yield* ofPermissions,
    ...(url._tag === "Sentinel" ? [yield* ofSentinels(given, url)] : []),
    yield* ofLatency,
    yield* ofTime
  ]
})

/** Checks the Redis at REDIS_URL; no answer is a finding too. */
export const examine = (partitions: number): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const given = yield* RedisSettings.fromSettings
    return yield* examineOpen(given, partitions).pipe(Effect.provide(Layer.fresh(RedisClient.layer)))
  }).pipe(
    Effect.catch((error) =>
      Effect.succeed([
        failing(
          "redis.reach",
          error instanceof Config.ConfigError ? error.cause.message : error.message,
          "check REDIS_URL, user, password and the network"
        )
      ])
    )
  )
