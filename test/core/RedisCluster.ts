/** A Cluster of three masters that share the slots. */
import { Context, Effect, Layer, References } from "effect"
import { RedisClient } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import { until } from "./Until.ts"

export const clientOf = (url: string) =>
  Effect.map(Layer.build(Layer.fresh(RedisClient.layerUrl(url))), (context) =>
    Context.get(context, RedisClient.RedisClient)
  ).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

/** Ready once every server reports that all three serve. `args`: more arguments of each server. */
export const start = Effect.fnUntraced(function* (args: ReadonlyArray<string> = []) {
  const words = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000"]
  const servers = yield* Effect.forEach([1, 2, 3], () => RedisServer.scoped({ args: [...words, ...args] }), {
    concurrency: 3
  })
  // closed when done, because a client of a stopped server would keep reconnecting
  yield* Effect.scoped(
    Effect.gen(function* () {
      const nodes = yield* Effect.forEach(servers, ({ url }) => clientOf(url))
      const bounds = [0, 5461, 10923, 16384]
      for (const [i, node] of nodes.entries()) {
        yield* node.send("CLUSTER", "ADDSLOTSRANGE", bounds[i]!, bounds[i + 1]! - 1)
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
