/**
 * RedisMode: ways to run Redis that differ in what they lose: how each is set up, how its master dies, and where the surviving
 * data is read. All servers of one kill are new and end with the scope.
 *   - process kill: SIGKILL; the machine keeps running, so page cache and socket buffers still reach their targets
 *   - power loss: the append-only file is truncated to its last sync (SyncTrace); the link to a replica loses what it held
 */
import { RedisError } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import type { RedisUrl } from "@eco2/core/redis"
import { FaultProxy, RedisServer } from "@eco2/core/testing"
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { find, redisServer } from "../../deploy/local/SystemProgram.ts"
import * as SyncTrace from "./SyncTrace.ts"
import * as Program from "../harness/Program.ts"

export const deaths = ["process kill", "power loss"] as const
export type Death = (typeof deaths)[number]

/** The awaited state did not come in time. */
export class NeverCame extends Schema.TaggedError<NeverCame>()("NeverCame", {
  what: Schema.String,
  seen: Schema.String
}) {
  override get message() {
    return `${this.what} did not come about in time; last seen: ${this.seen}`
  }
}

export type Failure =
  | RedisServer.RedisServerFailed
  | RedisError.RedisError
  | RedisUrl.RedisUrlInvalid
  | SyncTrace.TraceUnusable
  | NeverCame

/** One set-up, to be killed once. */
export interface Standing {
  /** Where jobs are submitted. */
  readonly url: string
  /** Sends the signal when run; completes when the master is dead. */
  readonly kill: Effect.Effect<void>
  /** Recovers what this mode can, once the master is dead; returns the URL to read it at. */
  readonly comeBack: Effect.Effect<string, Failure, Scope.Scope>
}

export interface RedisMode {
  readonly name: string
  /** The submitter waits for a replica (WAIT 1) before it counts a submit as acknowledged. */
  readonly waits: boolean
  /** Whether measuring this death needs permission to trace processes. */
  readonly traced: (death: Death) => boolean
  readonly stand: (death: Death) => Effect.Effect<Standing, Failure, Scope.Scope>
}

/** Without rewriting, because the trace knows one file only. */
const appendOnly = (sync: "everysec" | "always") =>
  ["--appendonly", "yes", "--appendfsync", sync, "--auto-aof-rewrite-percentage", "0"] as const
/** For a disk that is shared. */
const slowSyncMillis = 300
/** One-way latency, as within one zone, or between two near ones. */
const linkMillis = 1

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "eco2-loss-")))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Repeats a look until it shows the wanted state. */
export const until = <E, R>(
  what: string,
  look: Effect.Effect<string, E, R>,
  wanted: (seen: string) => boolean
): Effect.Effect<string, E | NeverCame, R> => {
  let last = ""
  return look.pipe(
    Effect.tap((seen) => Effect.sync(() => void (last = seen))),
    Effect.repeat({ until: wanted, schedule: Schedule.spaced("10 millis") }),
    Effect.timeoutOrElse({
      duration: "60 seconds",
      orElse: () => Effect.fail(new NeverCame({ what, seen: last.slice(0, 500) }))
    })
  )
}

export const asking = (url: string) =>
  Effect.map(Layer.build(RedisClient.layerUrl(url)), (context) => {
    const { send } = Context.get(context, RedisClient.RedisClient)
    return (command: string, ...args: ReadonlyArray<string>) =>
      Effect.map(send(command, ...args), (reply) => (typeof reply === "string" ? reply : JSON.stringify(reply)))
  })

/** One server and its file, if it has one; it is restarted on what remains. */
const alone = (name: string, persistence: ReadonlyArray<string>, syncMillis = 0): RedisMode => {
  const traced = (death: Death) => persistence.length > 0 && (death === "power loss" || syncMillis > 0)
  return {
    name,
    waits: false,
    traced,
    stand: Effect.fnUntraced(function* (death) {
      const folder = yield* temporaryFolder
      const directory = join(folder, "data")
      const trace = traced(death)
        ? SyncTrace.make(folder, join(directory, "appendonlydir", "appendonly.aof.1.incr.aof"), syncMillis)
        : undefined
      const server = yield* RedisServer.scoped({
        args: persistence,
        directory,
        ...(trace === undefined ? {} : { program: trace.program })
      })
      return {
        url: server.url,
        kill: Effect.promise(() => server.kill9()),
        comeBack: Effect.gen(function* () {
          if (trace !== undefined && death === "power loss") yield* trace.cut(server.pid)
          return (yield* RedisServer.scoped({ args: persistence, directory })).url
        })
      }
    })
  }
}

/** A master and its replica, each with its own file; for a power loss, a link of `linkMillis` is between them. */
const pair = Effect.fnUntraced(function* (death: Death) {
  const args = [...appendOnly("everysec"), "--repl-diskless-sync-delay", "0"]
  const master = yield* RedisServer.scoped({ args })
  const link =
    death === "process kill"
      ? undefined
      : yield* Effect.acquireRelease(
          Effect.promise(() => FaultProxy.start(master.port)),
          (proxy) => Effect.promise(() => proxy.close())
        )
  const from = link === undefined ? String(master.port) : new URL(link.url).port
  const replica = yield* RedisServer.scoped({ args: [...args, "--replicaof", "127.0.0.1", from] })
  const ask = yield* asking(replica.url)
  const replication = ask("INFO", "replication")
  yield* until("the replica's first sync", replication, (info) => info.includes("master_link_status:up"))
  const askMaster = yield* asking(master.url)
  yield* until("the master's word for it", askMaster("INFO", "replication"), (info) => info.includes("state=online"))
  link?.slow(linkMillis)
  return {
    master,
    replica,
    ask,
    replication,
    kill: Effect.promise(() => {
      const dead = master.kill9()
      link?.refuse()
      return dead
    })
  }
})

/** The replica is promoted by hand after it has applied what reached it. */
const replicated = (name: string, waits: boolean): RedisMode => ({
  name,
  waits,
  traced: () => false,
  stand: (death) =>
    Effect.map(pair(death), ({ ask, kill, master, replica, replication }) => ({
      url: master.url,
      kill,
      comeBack: Effect.gen(function* () {
        yield* until("the break of its link", replication, (info) => info.includes("master_link_status:down"))
        yield* ask("REPLICAOF", "NO", "ONE")
        return replica.url
      })
    }))
})

/** One Sentinel, because voting does not change what the replica has. It must not repair the replica's link to its master. */
export const startSentinel = Effect.fnUntraced(function* (masterPort: number) {
  const folder = yield* temporaryFolder
  const directory = join(folder, "data")
  mkdirSync(directory)
  const port = yield* Effect.promise(() => RedisServer.freePort())
  const conf = join(folder, "sentinel.conf")
  const settings = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${directory}`,
    `sentinel monitor main 127.0.0.1 ${masterPort} 1`,
    "sentinel down-after-milliseconds main 500",
    "sentinel failover-timeout main 60000"
  ]
  writeFileSync(conf, `${settings.join("\n")}\n`)
  const program = join(folder, "sentinel")
  // a Sentinel reads its settings from a file, and does not report that it is ready
  Program.write(program, ["echo Ready to accept connections", `exec '${find(redisServer)}' ${conf} --sentinel`])
  yield* RedisServer.scoped({ program, port, directory })
  return port
})

/** The Sentinel detects the master's death and promotes the replica; clients use the same URL as before. */
const guarded: RedisMode = {
  name: "Sentinel failover",
  waits: false,
  traced: () => false,
  stand: Effect.fnUntraced(function* (death) {
    const { kill, master, replica, replication } = yield* pair(death)
    const port = yield* startSentinel(master.port)
    const sentinel = yield* asking(`redis://127.0.0.1:${port}`)
    yield* until(
      "the Sentinel's knowledge of the replica",
      sentinel("SENTINEL", "REPLICAS", "main"),
      (known) => known.includes(`"${replica.port}"`) && known.includes('"master-link-status","ok"')
    )
    return {
      url: `redis+sentinel://127.0.0.1:${port}?name=main`,
      kill,
      comeBack: Effect.gen(function* () {
        yield* until("the failover", replication, (info) => info.includes("role:master"))
        yield* until("the Sentinel's word for it", sentinel("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"), (address) =>
          address.includes(`"${replica.port}"`)
        )
        return `redis+sentinel://127.0.0.1:${port}?name=main`
      })
    }
  })
}

export const modes: ReadonlyArray<RedisMode> = [
  alone("no persistence", []),
  alone("AOF everysec", appendOnly("everysec")),
  alone(`AOF everysec, a sync takes ${slowSyncMillis} ms`, appendOnly("everysec"), slowSyncMillis),
  alone("AOF always", appendOnly("always")),
  replicated("replica, promoted by hand", false),
  replicated("replica + WAIT 1", true),
  guarded
]
