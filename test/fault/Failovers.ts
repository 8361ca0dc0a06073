/**
 * Failovers: counts acknowledged submits that a change of masters has lost, for each kind of change and each protection. Fibers
 * submit through core's API while the Sentinel changes the master; afterwards every acknowledged id is looked up at the new one.
 * All servers of a run are new. Losses counts what a server's own death loses; loss.ts repeats and prints both.
 *   - killed: SIGKILL to the master; it starts again once the replica is master
 *   - planned: SENTINEL FAILOVER
 *   - cut off: a partition leaves the clients with the old master, away from Sentinel and replica, for `cutMillis`; then the
 *     Sentinel demotes it. The cut is made in two proxies, one before the master, one before the Sentinel: the connections across
 *     the cut are closed, and no new one is let in
 */
import { Client, CoreConfig, Pipeline, RecentSubmits } from "@eco2/core"
import type { Job } from "@eco2/core"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { Readiness } from "@eco2/core/telemetry"
import { FaultProxy, RedisServer } from "@eco2/core/testing"
import { Effect, Layer, Logger, Predicate, References, Schema } from "effect"
import { chance } from "./Chance.ts"
import { Errand } from "./Errand.ts"
import * as RedisMode from "./RedisMode.ts"

export const changes = ["killed", "planned", "cut off"] as const
export type Change = (typeof changes)[number]
const heads = { killed: "master killed", planned: "planned failover", "cut off": "master cut off" } satisfies Record<
  Change,
  string
>

export interface Protection {
  readonly name: string
  readonly submitReplicas: number
  readonly submitMemory: number
  readonly minReplicas: boolean
}
const memory = 16 * 1024 * 1024
export const protections: ReadonlyArray<Protection> = [
  { name: "none", submitReplicas: 0, submitMemory: 0, minReplicas: false },
  { name: "`SUBMIT_MEMORY`", submitReplicas: 0, submitMemory: memory, minReplicas: false },
  { name: "`SUBMIT_REPLICAS=1`", submitReplicas: 1, submitMemory: 0, minReplicas: false },
  { name: "both", submitReplicas: 1, submitMemory: memory, minReplicas: false },
  { name: "`min-replicas-to-write 1`", submitReplicas: 0, submitMemory: 0, minReplicas: true },
  { name: "`min-replicas-to-write 1`, `SUBMIT_MEMORY`", submitReplicas: 0, submitMemory: memory, minReplicas: true }
]

export interface Options {
  readonly change: Change
  readonly protection: Protection
  readonly seed: number
  readonly round: number
  /** The change begins this long after the first acknowledgement. */
  readonly afterMillis: number
  /** How long a master is cut off. */
  readonly cutMillis: number
}

/** One change of masters. */
export interface Loss {
  readonly acknowledged: number
  readonly lost: number
  /** Of the lost ones, those whose ids the process that accepted them has logged. */
  readonly named: number
  /** Acknowledged jobs that were submitted again. */
  readonly again: number
  /** Submits that were refused or not answered. */
  readonly refused: number
}

const submitters = 8
/** A submitter's pause after each answer, at most. */
const pauseMillis = 80
const isIds = Schema.is(Schema.Array(Schema.String))
const decodeInt = Schema.decodeUnknownEffect(Schema.Int)

/** Collects the ids in the log lines of RecentSubmits. */
const listening = () => {
  const lost = new Set<string>()
  const again = new Set<string>()
  const logger = Logger.make(({ fiber, message }) => {
    const ids = fiber.getRef(References.CurrentLogAnnotations).job_ids
    if (!isIds(ids)) return
    const into = String(message).includes("submitted again") ? again : lost
    for (const id of ids) into.add(id)
  })
  return { lost, again, layer: Logger.layer([logger]) }
}

const client = ({ submitMemory, submitReplicas }: Protection, url: string) =>
  RecentSubmits.layer({ mostBytes: submitMemory }).pipe(
    Layer.provideMerge(Client.layer),
    Layer.provideMerge(
      Layer.mergeAll(RedisClient.layerUrl(url), CoreConfig.layerWith({ submitReplicas }), Readiness.layer)
    ),
    Layer.fresh
  )

/** A master behind a proxy, its replica, and a Sentinel that knows the master by the proxy. */
const stand = Effect.fnUntraced(function* ({ minReplicas }: Protection) {
  const own = minReplicas ? ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"] : []
  const args = ["--repl-diskless-sync-delay", "0", "--appendonly", "yes", ...own]
  const master = yield* RedisServer.scoped({ args })
  const door = yield* Effect.acquireRelease(
    Effect.promise(() => FaultProxy.start(master.port)),
    (proxy) => Effect.promise(() => proxy.close())
  )
  const doorPort = Number(new URL(door.url).port)
  const replica = yield* RedisServer.scoped({ args: [...args, "--replicaof", "127.0.0.1", String(doorPort)] })
  const askMaster = yield* RedisMode.asking(master.url)
  const askReplica = yield* RedisMode.asking(replica.url)
  yield* RedisMode.until("the replica", askMaster("INFO", "replication"), (info) => info.includes("state=online"))
  const sentinelPort = yield* RedisMode.startSentinel(doorPort)
  const sentinelDoor = yield* Effect.acquireRelease(
    Effect.promise(() => FaultProxy.start(sentinelPort)),
    (proxy) => Effect.promise(() => proxy.close())
  )
  const sentinel = yield* RedisMode.asking(`redis://127.0.0.1:${sentinelPort}`)
  yield* RedisMode.until(
    "the Sentinel's knowledge of the replica",
    sentinel("SENTINEL", "REPLICAS", "main"),
    (known) => known.includes(`"${replica.port}"`) && known.includes('"master-link-status","ok"')
  )
  const promoted = RedisMode.until("the promotion", askReplica("ROLE"), (role) => role.includes("master"))
  const demoted = RedisMode.until(
    "the demotion",
    Effect.orElseSucceed(askMaster("ROLE"), () => ""),
    (role) => role.includes("slave")
  )
  /** A master that is back before clients are told of the new one would be used by them until it is demoted. */
  const told = RedisMode.until(
    "the Sentinel's word for it",
    sentinel("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"),
    (address) => address.includes(`"${replica.port}"`)
  )
  const cutOff = (millis: number) =>
    Effect.gen(function* () {
      sentinelDoor.refuse()
      door.seal()
      yield* askMaster("CLIENT", "KILL", "TYPE", "replica")
      const list = yield* askMaster("CLIENT", "LIST")
      for (const [, id = ""] of list.matchAll(/^id=(\d+) .* name=sentinel-/gm))
        yield* askMaster("CLIENT", "KILL", "ID", id)
      yield* Effect.sleep(millis)
      yield* promoted
      door.heal()
      sentinelDoor.heal()
    })
  return {
    url: `redis+sentinel://127.0.0.1:${new URL(sentinelDoor.url).port}?name=main`,
    survivor: replica.url,
    change: Effect.fnUntraced(function* ({ change, cutMillis }: Options) {
      if (change === "killed") {
        yield* Effect.promise(() => master.kill9())
        yield* promoted
        yield* told
        yield* Effect.promise(() => master.restart())
      } else if (change === "planned") {
        yield* sentinel("SENTINEL", "FAILOVER", "main")
        yield* promoted
      } else {
        yield* cutOff(cutMillis)
      }
      yield* demoted
    })
  }
})

const submitThrough = Effect.fnUntraced(function* (options: Options, change: Effect.Effect<void, RedisMode.Failure>) {
  const { round, seed } = options
  const acknowledged = new Set<Job.JobId>()
  let refused = 0
  let over = false
  const submitter = (first: number) =>
    Effect.gen(function* () {
      for (let n = first; !over; n += submitters) {
        const key = `${seed}/${round}/${n}`
        const result = yield* Effect.result(Pipeline.submit(Errand, { number: n }, { owner: null, key }))
        if (Predicate.isTagged(result, "Success")) acknowledged.add(result.success.id)
        else refused++
        yield* Effect.sleep(chance(seed, "pause", round, n) * pauseMillis)
      }
    })
  const changing = Effect.gen(function* () {
    yield* Effect.sleep(options.afterMillis)
    yield* change
    // submits go on at the new master
    yield* Effect.sleep("1 second")
  }).pipe(Effect.ensuring(Effect.sync(() => void (over = true))))
  const all = Array.from({ length: submitters }, (_, i) => submitter(i))
  yield* Effect.all([changing, ...all], { concurrency: "unbounded", discard: true })
  return { acknowledged, refused }
})

/** The ids that the new master does not have. */
const missingOf = Effect.fnUntraced(function* (ids: ReadonlySet<Job.JobId>, url: string) {
  const found = yield* Effect.gen(function* () {
    const redis = yield* RedisClient.RedisClient
    const { of } = yield* Keyspace
    return yield* Effect.forEach(
      ids,
      (id) => Effect.map(Effect.flatMap(redis.send("EXISTS", of(id).job(id)), decodeInt), (n) => [id, n] as const),
      { concurrency: 200 }
    )
  }).pipe(
    Effect.provide(
      Layer.fresh(
        Keyspace.layer.pipe(Layer.provideMerge(RedisClient.layerUrl(url)), Layer.provide(CoreConfig.layerWith({})))
      )
    )
  )
  return found.flatMap(([id, n]) => (n === 0 ? [id] : []))
})

/** Sets a pair up, changes its master once under load, and counts. */
export const run = (options: Options) =>
  Effect.gen(function* () {
    const { change, survivor, url } = yield* stand(options.protection)
    const heard = listening()
    return yield* Effect.gen(function* () {
      const { acknowledged, refused } = yield* submitThrough(options, change(options))
      // what is handed in again is handed in within a second or two
      let missing = yield* missingOf(acknowledged, survivor)
      for (let looks = 0; looks < 20 && missing.some((id) => !heard.lost.has(id)); looks++) {
        if (options.protection.submitMemory === 0) break
        yield* Effect.sleep("250 millis")
        missing = yield* missingOf(acknowledged, survivor)
      }
      return {
        acknowledged: acknowledged.size,
        lost: missing.length,
        named: missing.filter((id) => heard.lost.has(id)).length,
        again: heard.again.size,
        refused
      } satisfies Loss
    }).pipe(
      Effect.provide(client(options.protection, url)),
      Effect.provide(heard.layer),
      Effect.provideService(References.MinimumLogLevel, "Warn")
    )
  }).pipe(
    Effect.scoped,
    // lost connections are expected here
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.timeout("90 seconds")
  )

const grouped = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ",")
const row = (words: ReadonlyArray<string>) => `| ${words.join(" | ")} |`

/** One cell: lost of acknowledged, of all runs; how many were submitted again, of the lost are named, were refused. */
export const cell = (losses: ReadonlyArray<Loss>): string => {
  if (losses.length === 0) return "-"
  const sum = (of: (loss: Loss) => number) => losses.reduce((total, loss) => total + of(loss), 0)
  const [lost, again] = [sum((loss) => loss.lost), sum((loss) => loss.again)]
  const more = [
    ...(again === 0 ? [] : [`${grouped(again)} again`]),
    ...(lost === 0 ? [] : [`${grouped(sum((loss) => loss.named))} named`]),
    `${grouped(sum((loss) => loss.refused))} refused`
  ]
  return `${grouped(lost)} of ${grouped(sum((loss) => loss.acknowledged))} (${more.join(", ")})`
}

/** A Markdown table: a row for each protection, a column for each change. */
export const table = (
  results: ReadonlyArray<{ readonly protection: string; readonly by: Readonly<Record<Change, ReadonlyArray<Loss>>> }>
): ReadonlyArray<string> => [
  row(["protection", ...changes.map((change) => `${heads[change]}: lost of acknowledged`)]),
  row(Array.from({ length: changes.length + 1 }, () => "---")),
  ...results.map(({ by, protection }) => row([protection, ...changes.map((change) => cell(by[change]))]))
]
