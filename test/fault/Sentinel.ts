/**
 * Sentinel: a master with two replicas, with a password, watched by three Sentinels. Its faults: a planned failover (SENTINEL
 * FAILOVER), a rotation of the password, and, where the machine permits network namespaces, a partition: the first server and
 * all clients are on one side, the other servers and the Sentinels on the other. Writes that the new master does not have are
 * lost.
 */
import { RedisServer } from "@eco2/core/testing"
import { Redis } from "ioredis"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { find, redisServer } from "../../deploy/local/SystemProgram.ts"
import type { Backend } from "./Backend.ts"
import * as NetworkLink from "./NetworkLink.ts"
import * as Passwords from "./Passwords.ts"
import type { Fault } from "./Plan.ts"
import { oneAtATime, until } from "./Turns.ts"
import * as Program from "../harness/Program.ts"

const name = "main"
const persistence = ["--appendonly", "yes", "--appendfsync", "everysec", "--repl-diskless-sync-delay", "0"]
const downMillis = 1_000
const sentinels = 3
/** A master that loses its replicas for this many seconds refuses writes; without it a partition loses all it accepted. */
const maxLagSeconds = 2

export const make = async (): Promise<Backend> => {
  const net = NetworkLink.isPermitted ? await NetworkLink.make() : NetworkLink.loopback
  const folder = mkdtempSync(join(tmpdir(), "eco2-fault-"))
  const binary = find(redisServer) ?? "redis-server"
  const script = (file: string, lines: ReadonlyArray<string>) => {
    const path = join(folder, file)
    Program.write(path, lines)
    return path
  }
  const overThere = script("server", [`exec ${[...net.over, binary].join(" ")} "$@"`])
  const reachable = ["--protected-mode", "no", "--repl-timeout", "5", "--repl-ping-replica-period", "1"]
  const safety = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", String(maxLagSeconds)]
  const passwords = Passwords.make()
  const args = [...persistence, ...reachable, ...safety, ...passwords.args]
  const master = await RedisServer.start({ args: [...args, "--bind", net.here] })
  const startReplica = () =>
    RedisServer.start({
      program: overThere,
      args: [...args, "--bind", net.there, "--replicaof", net.here, String(master.port)]
    })
  const replicas = [await startReplica(), await startReplica()]
  const watchers: Array<{ readonly server: RedisServer.RedisServer; readonly client: Redis }> = []
  for (let i = 0; i < sentinels; i++) {
    const port = await RedisServer.freePort()
    const directory = join(folder, `sentinel-${i}`)
    mkdirSync(directory)
    const conf = join(directory, "sentinel.conf")
    const lines = [
      `port ${port}`,
      `bind ${net.there}`,
      "protected-mode no",
      `dir ${directory}`,
      `sentinel monitor ${name} ${net.here} ${master.port} 2`,
      `sentinel auth-user ${name} ${Passwords.outside.username}`,
      `sentinel auth-pass ${name} ${Passwords.outside.password}`,
      `sentinel down-after-milliseconds ${name} ${downMillis}`,
      `sentinel failover-timeout ${name} 5000`
    ]
    writeFileSync(conf, `${lines.join("\n")}\n`)
    // a Sentinel reads its settings from a file, and does not report that it is ready
    const program = script(`sentinel-${i}.sh`, [
      "echo Ready to accept connections",
      `exec ${[...net.over, binary, conf].join(" ")} --sentinel`
    ])
    const server = await RedisServer.start({ program, port, directory })
    const client = new Redis(port, net.there, { retryStrategy: () => 50, maxRetriesPerRequest: null })
    client.on("error", () => undefined)
    watchers.push({ server, client })
  }
  const first = watchers[0]!.client
  const knows = async ({ client }: (typeof watchers)[number]) => {
    const [replicasKnown, others] = [
      await client.call("SENTINEL", "REPLICAS", name),
      await client.call("SENTINEL", "SENTINELS", name)
    ]
    const lists = [replicasKnown, others].map((list) => (Array.isArray(list) ? list.length : 0))
    return lists[0] === replicas.length && lists[1] === sentinels - 1
  }
  await until("the Sentinels", async () => (await Promise.all(watchers.map(knows))).every(Boolean))
  const addresses = watchers.map(({ server }) => ({ host: net.there, port: server.port }))
  const outside = new Redis({
    ...Passwords.outside,
    sentinels: addresses,
    name,
    retryStrategy: () => 50,
    maxRetriesPerRequest: null,
    failoverDetector: true
  })
  outside.on("error", () => undefined)

  const masterPort = async () => {
    const address = await first.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
    return Array.isArray(address) ? Number(address[1]) : 0
  }
  /** The master has a replica that follows it: it accepts writes, and may fail over again. */
  const isWhole = async () => {
    const info = await outside.info("replication")
    return info.includes("role:master") && (info.match(/state=online/g)?.length ?? 0) === replicas.length
  }

  const connect = (host: string, { port }: RedisServer.RedisServer) => {
    const client = new Redis(port, host, {
      ...Passwords.outside,
      retryStrategy: () => 50,
      maxRetriesPerRequest: null
    })
    client.on("error", () => undefined)
    return client
  }
  const clients = [connect(net.here, master), ...replicas.map((server) => connect(net.there, server))]

  const perform = async (fault: Fault) => {
    const { forMillis, kind } = fault
    if (kind === "rotation" || kind === "rotation-late") return passwords.rotate(fault, clients)
    const before = await masterPort()
    if (kind === "sentinel-failover") {
      await until("a master with replicas", isWhole)
      // a Sentinel gives a failover up whose replica does not answer in time, and does not begin another by itself
      await until("the failover", async () => {
        if ((await masterPort()) !== before) return true
        await first.call("SENTINEL", "FAILOVER", name)
        return false
      })
    } else if (kind === "partition") {
      await net.set("down")
      await delay(forMillis)
      await net.set("up")
    } else throw new Error(`${kind} is no fault of a Sentinel's master`)
    await until("a master with replicas", isWhole)
  }

  return {
    url: `redis+sentinel://${addresses.map(({ host, port }) => `${host}:${port}`).join(",")}?name=${name}`,
    port: null,
    settings: passwords.settings,
    outside,
    keys: () => outside.keys("*"),
    inject: oneAtATime(perform),
    stop: async () => {
      outside.disconnect()
      for (const client of clients) client.disconnect()
      for (const { client, server } of watchers) {
        client.disconnect()
        await server.stop()
      }
      await Promise.all([master, ...replicas].map((server) => server.stop()))
      await net.remove()
      rmSync(folder, { recursive: true, force: true })
      passwords.remove()
    }
  }
}
