/** A Sentinel that watches a master, and a master with a replica that the Sentinel promotes when the master dies. */
import { Effect, Option } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { isIP } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { RedisServer } from "@eco2/core/testing"
import { find, redisServer } from "../../deploy/local/SystemProgram.ts"
import { until } from "./Until.ts"
import * as RedisCluster from "./RedisCluster.ts"

const downMillis = 500
/** A user of the servers of `pair`, beside the default one, as which the Sentinel speaks to them. */
const user = { name: "eco2", password: "a" }
const users = ["--user", user.name, "on", `>${user.password}`, "~*", "&*", "+@all"]

/** A Sentinel of the master at this port on loopback; `host`: its address, or the name by which the Sentinel tells of it. */
export const watching = Effect.fnUntraced(function* (masterPort: number, host = "127.0.0.1") {
  const folder = mkdtempSync(join(tmpdir(), "eco2-sentinel-"))
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
  const port = yield* Effect.promise(() => RedisServer.freePort())
  const conf = join(folder, "sentinel.conf")
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${folder}`,
    ...(isIP(host) === 0 ? ["sentinel resolve-hostnames yes", "sentinel announce-hostnames yes"] : []),
    `sentinel monitor main ${host} ${masterPort} 1`,
    `sentinel down-after-milliseconds main ${downMillis}`,
    "sentinel failover-timeout main 5000"
  ]
  writeFileSync(conf, `${lines.join("\n")}\n`)
  const program = join(folder, "sentinel")
  // a Sentinel reads its settings from a file, and does not report that it is ready
  writeFileSync(
    program,
    `#!/bin/sh\necho Ready to accept connections\nexec '${find(redisServer)}' ${conf} --sentinel\n`,
    {
      mode: 0o755
    }
  )
  const server = yield* RedisServer.scoped({ program, port, directory: folder })
  const client = yield* RedisCluster.clientOf(server.url)
  yield* until(Effect.option(client.send("PING")), Option.isSome)
  return { port, url: `redis+sentinel://127.0.0.1:${port}?name=main`, sentinel: server.url, server }
})

/**
 * A master, its synchronised replica, and a Sentinel that knows both. `partition`: the Sentinel no longer reaches the master:
 * it promotes the replica, and cannot tell the old master, whose clients still reach it if they log in by `userUrl`.
 */
export const pair = Effect.gen(function* () {
  const link = ["--masteruser", user.name, "--masterauth", user.password]
  const master = yield* RedisServer.scoped({ args: [...users, ...link] })
  const replica = yield* RedisServer.scoped({
    args: [...users, ...link, "--replicaof", "127.0.0.1", String(master.port)]
  })
  const admin = yield* RedisCluster.clientOf(replica.url)
  yield* until(admin.send("INFO", "replication"), (info) => String(info).includes("master_link_status:up"))
  const { port, sentinel, server, url } = yield* watching(master.port)
  const watcher = yield* RedisCluster.clientOf(sentinel)
  yield* until(watcher.send("SENTINEL", "REPLICAS", "main"), (list) => String(list).includes(String(replica.port)))
  const login = `${user.name}:${user.password}@`
  const userUrl = `redis+sentinel://${login}127.0.0.1:${port}?name=main`
  const masterUrl = `redis://${login}127.0.0.1:${master.port}`
  const partition = Effect.scoped(
    Effect.gen(function* () {
      const old = yield* RedisCluster.clientOf(masterUrl)
      yield* old.send("ACL", "SETUSER", "default", "off")
      yield* old.send("CLIENT", "KILL", "USER", "default")
    })
  )
  return { master, masterUrl, replica, url, userUrl, sentinel: server, partition }
})
