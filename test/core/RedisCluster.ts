/**
 * A Cluster of three masters that share the slots, and what an operator does to it with redis-cli: moves slots, adds masters,
 * empties them.
 */
import { Context, Effect, Layer, References, Result, Schema } from "effect"
import { execFile } from "node:child_process"
import { RedisClient } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import { until } from "./Until.ts"

export const clientOf = (url: string) =>
  Effect.map(Layer.build(Layer.fresh(RedisClient.layerUrl(url))), (context) =>
    Context.get(context, RedisClient.RedisClient)
  ).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

const words = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000"]

/** A server that no Cluster knows yet. */
export const newcomer = RedisServer.scoped({ args: words })

/**
 * Ready once every server reports that all three serve.
 * - `args`: more arguments of each server
 * - `slots`: what each master has, as pairs of a first and a last slot
 */
export const start = Effect.fnUntraced(function* (
  args: ReadonlyArray<string> = [],
  slots: ReadonlyArray<ReadonlyArray<number>> = [
    [0, 5460],
    [5461, 10_922],
    [10_923, 16_383]
  ]
) {
  const servers = yield* Effect.forEach([1, 2, 3], () => RedisServer.scoped({ args: [...words, ...args] }), {
    concurrency: 3
  })
  // closed when done, because a client of a stopped server would keep reconnecting
  yield* Effect.scoped(
    Effect.gen(function* () {
      const nodes = yield* Effect.forEach(servers, ({ url }) => clientOf(url))
      for (const [i, node] of nodes.entries()) {
        yield* node.send("CLUSTER", "ADDSLOTSRANGE", ...(slots[i] ?? []))
        yield* node.send("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
      }
      for (const { port } of servers.slice(1)) yield* nodes[0]!.send("CLUSTER", "MEET", "127.0.0.1", port)
      for (const node of nodes) {
        yield* until(
          node.send("CLUSTER", "INFO"),
          (info) => /cluster_state:ok/.test(String(info)) && /cluster_size:3/.test(String(info))
        )
      }
    })
  )
  return { servers, url: `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join(",")}` }
})

/** redis-cli, which an operator moves slots with, failed. `said`: the end of what it printed. */
export class CliFailed extends Schema.TaggedError<CliFailed>()("CliFailed", { said: Schema.String }) {
  override get message() {
    return this.said
  }
}

/** `redis-cli --cluster <words>`; fails unless it exits with 0. Returns what it printed. */
export const cli = (...command: ReadonlyArray<string | number>): Effect.Effect<string, CliFailed> =>
  Effect.callback((resume, abort) => {
    execFile("redis-cli", ["--cluster", ...command.map(String)], { signal: abort }, (error, out, err) =>
      resume(error === null ? Effect.succeed(out) : Effect.fail(new CliFailed({ said: (out + err).slice(-600) })))
    )
  })

/** A server's answer to a CLUSTER command, as text. */
const cluster = (server: RedisServer.RedisServer, ...words: ReadonlyArray<string | number>) =>
  Effect.scoped(Effect.flatMap(clientOf(server.url), (client) => client.send("CLUSTER", ...words))).pipe(
    Effect.map(String),
    Effect.orDie
  )
const infoOf = (server: RedisServer.RedisServer) => cluster(server, "INFO")

/** The name of a server within its Cluster. */
export const nameOf = (server: RedisServer.RedisServer) => cluster(server, "MYID")

/** The words of a server's own line in CLUSTER NODES that name its slots. */
const slotWordsOf = (server: RedisServer.RedisServer) =>
  Effect.map(cluster(server, "NODES"), (nodes) => {
    const own = nodes.split("\n").find((line) => line.includes("myself")) ?? ""
    return own.split(" ").slice(8)
  })

/** How many slots a server has. */
export const slotsOf = (server: RedisServer.RedisServer) =>
  Effect.map(slotWordsOf(server), (words) =>
    words
      .filter((word) => /^\d/.test(word))
      .map((word) => word.split("-").map(Number))
      .reduce((sum, [from = 0, to = from]) => sum + to - from + 1, 0)
  )

/** Slots that a server is sending or receiving, as it says itself. */
export const openSlotsOf = (server: RedisServer.RedisServer) =>
  Effect.map(slotWordsOf(server), (words) => words.filter((word) => word.startsWith("[")))

/** Moves the lowest `slots` slots of one master to another; waits until the servers agree on the last move, as redis-cli asks. */
export const reshard = Effect.fnUntraced(function* (
  from: RedisServer.RedisServer,
  to: RedisServer.RedisServer,
  slots: number
) {
  const [source, target] = [yield* nameOf(from), yield* nameOf(to)]
  const words = ["--cluster-from", source, "--cluster-to", target, "--cluster-slots", slots, "--cluster-yes"]
  const move = Effect.result(cli("reshard", `127.0.0.1:${to.port}`, ...words))
  const isRefused = ({ said }: CliFailed) => said.includes("Please fix your cluster problems before resharding")
  const moved = yield* until(move, (result) => Result.isSuccess(result) || !isRefused(result.failure))
  if (Result.isFailure(moved)) return yield* moved.failure
})

/** Of the commands that move slots as a whole: which one these servers have; null where they have none. */
export const atomicMove: Effect.Effect<"CLUSTER MIGRATESLOTS" | "CLUSTER MIGRATION" | null> = Effect.scoped(
  Effect.gen(function* () {
    const { url } = yield* RedisServer.scoped()
    const client = yield* clientOf(url)
    const [valkeys, redis] = yield* Effect.forEach(["cluster|migrateslots", "cluster|migration"], (name) =>
      Effect.map(client.send("COMMAND", "INFO", name), (told) => Array.isArray(told) && told[0] !== null)
    )
    return valkeys ? "CLUSTER MIGRATESLOTS" : redis ? "CLUSTER MIGRATION" : null
  })
).pipe(Effect.orDie)

/** A master's slots as its own server, or another, names them: pairs of a first and a last one. */
const rangesOf = (asked: RedisServer.RedisServer, name: string) =>
  Effect.map(cluster(asked, "NODES"), (nodes) => {
    const line = nodes.split("\n").find((one) => one.startsWith(name)) ?? ""
    const words = line.split(" ").slice(8)
    return words.flatMap((word) => {
      const [from, to = from] = word.split("-").map(Number)
      return from === undefined || Number.isNaN(from) ? [] : [[from, to!] as const]
    })
  })

/**
 * Moves slots from one master to another as a whole, each range given by its first and last slot. Returns when all `servers`
 * know of it.
 */
export const migrate = Effect.fnUntraced(function* (
  command: "CLUSTER MIGRATESLOTS" | "CLUSTER MIGRATION",
  servers: ReadonlyArray<RedisServer.RedisServer>,
  from: RedisServer.RedisServer,
  to: RedisServer.RedisServer,
  ranges: ReadonlyArray<readonly [number, number]>
) {
  const target = yield* nameOf(to)
  yield* command === "CLUSTER MIGRATESLOTS"
    ? cluster(from, "MIGRATESLOTS", "SLOTSRANGE", ...ranges.flat(), "NODE", target)
    : cluster(to, "MIGRATION", "IMPORT", ...ranges.flat())
  for (const server of servers)
    yield* until(rangesOf(server, target), (owned) =>
      ranges.every(([first, last]) => owned.some(([low, high]) => low <= first && last <= high))
    )
})

/** Returns when every server knows of all of them, and that all slots are served. */
export const agreed = (servers: ReadonlyArray<RedisServer.RedisServer>) =>
  Effect.forEach(
    servers,
    (server) =>
      until(
        infoOf(server),
        (info) =>
          info.includes("cluster_state:ok") &&
          info.includes("cluster_slots_ok:16384") &&
          info.includes(`cluster_known_nodes:${servers.length}`)
      ),
    { discard: true }
  )

/** Begins to move a slot, as redis-cli does, and goes no further. */
export const openSlot = Effect.fnUntraced(function* (
  slot: number,
  from: RedisServer.RedisServer,
  to: RedisServer.RedisServer
) {
  yield* cluster(to, "SETSLOT", slot, "IMPORTING", yield* nameOf(from))
  yield* cluster(from, "SETSLOT", slot, "MIGRATING", yield* nameOf(to))
})
