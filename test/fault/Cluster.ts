/**
 * Cluster: three masters with a replica each, with a password. Its faults: a replica takes over in agreement with its master
 * (CLUSTER FAILOVER); redis-cli moves the slot of a partition to another master, and back; the password is rotated.
 * The lowest slot of the first two masters is the slot of a partition, because redis-cli moves a master's lowest slots first.
 */
import { Keys } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import { Cluster, Redis } from "ioredis"
import { setTimeout as delay } from "node:timers/promises"
import type { Backend } from "./Backend.ts"
import * as Passwords from "./Passwords.ts"
import type { Fault } from "./Plan.ts"
import { redisCli } from "./RedisCli.ts"
import { oneAtATime, until } from "./Turns.ts"

const nodeTimeoutMillis = 3_000
const settings = [
  ...["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"],
  ...["--cluster-node-timeout", String(nodeTimeoutMillis)]
]
/**
 * A server that stood for an election less than four node time-outs ago is not elected before they are over. If its master's pause
 * of five seconds ends in that moment, the master acknowledges what waited, and loses it (docs/faults.md). So no server is asked
 * again sooner; then it is elected at once.
 */
const standsAgainMillis = 4 * nodeTimeoutMillis + 500
/** Writes reach the disk and the replica as far as they do in most installations. */
const persistence = ["--appendonly", "yes", "--appendfsync", "everysec", "--repl-diskless-sync-delay", "0"]

const slotCount = 16_384
const login = ["--user", Passwords.outside.username, "--pass", Passwords.outside.password, "--no-auth-warning"]

interface Node {
  readonly id: string
  readonly port: number
  readonly isMaster: boolean
  readonly slots: ReadonlyArray<string>
}

const nodesOf = (text: string): ReadonlyArray<Node> =>
  text
    .trim()
    .split("\n")
    .map((line) => {
      const [id = "", address = "", flags = "", , , , , , ...slots] = line.split(" ")
      return { id, port: Number(/:(\d+)/.exec(address)?.[1]), isMaster: flags.includes("master"), slots }
    })

export const make = async (partitions: number): Promise<Backend> => {
  const passwords = Passwords.make()
  const start = () => RedisServer.start({ args: [...settings, ...persistence, ...passwords.args] })
  const servers = await Promise.all(Array.from({ length: 6 }, start))
  const clients = servers.map(
    ({ url }) => new Redis(url, { ...Passwords.outside, retryStrategy: () => 50, maxRetriesPerRequest: null })
  )
  for (const client of clients) client.on("error", () => undefined)
  const slotOf = async (tag: string) => Number(await clients[0]!.cluster("KEYSLOT", `{${tag}}`))
  const [first, second] = await Promise.all(Keys.tags(partitions).slice(0, 2).map(slotOf))
  if (first === undefined || second === undefined) throw new Error("two partitions at least")
  const middle = Math.floor((second + slotCount) / 2)
  const ranges = [
    [[first, second - 1]],
    [[second, middle]],
    [
      [middle + 1, slotCount - 1],
      [0, first - 1]
    ]
  ] as const
  for (const [i, owned] of ranges.entries()) {
    for (const [from, to] of owned) await clients[i]!.call("CLUSTER", "ADDSLOTSRANGE", String(from), String(to))
    await clients[i]!.call("CLUSTER", "SET-CONFIG-EPOCH", String(i + 1))
  }
  for (const { port } of servers.slice(1)) await clients[0]!.call("CLUSTER", "MEET", "127.0.0.1", String(port))
  const isOk = async (client: Redis) => (await client.cluster("INFO")).includes("cluster_state:ok")
  const nodes = async () => nodesOf(String(await clients[0]!.call("CLUSTER", "NODES")))
  await until("the Cluster", async () => {
    const known = await Promise.all(
      clients.map(async (client) => nodesOf(String(await client.call("CLUSTER", "NODES"))).length)
    )
    return (
      known.every((count) => count === servers.length) &&
      (await Promise.all(clients.slice(0, 3).map(isOk))).every(Boolean)
    )
  })
  const known = await nodes()
  const idOf = (port: number) => known.find((node) => node.port === port)?.id ?? ""
  for (const i of [0, 1, 2]) await clients[i + 3]!.call("CLUSTER", "REPLICATE", idOf(servers[i]!.port))
  const isSynchronised = async (client: Redis) => (await client.info("replication")).includes("master_link_status:up")
  await until("replicas", async () => (await Promise.all(clients.slice(3).map(isSynchronised))).every(Boolean))

  const outside = new Cluster(
    servers.map(({ port }) => ({ host: "127.0.0.1", port })),
    { clusterRetryStrategy: () => 50, redisOptions: { ...Passwords.outside, maxRetriesPerRequest: null } }
  )
  outside.on("error", () => undefined)

  const isReplica = async (client: Redis) => (await client.info("replication")).includes("role:slave")
  /** When servers were last asked to stand for an election. */
  const askedAt = new Map<Redis, number>()
  const mayStand = (client: Redis) => performance.now() - (askedAt.get(client) ?? -Infinity) > standsAgainMillis
  const candidates = async () => {
    const found: Array<Redis> = []
    for (const client of clients.filter(mayStand)) {
      if ((await isReplica(client)) && (await isSynchronised(client))) found.push(client)
    }
    return found
  }
  const failOver = async (seed: number) => {
    let replicas: ReadonlyArray<Redis> = []
    await until("a replica that may stand for an election", async () => {
      replicas = await candidates()
      return replicas.length > 0
    })
    const chosen = replicas[seed % replicas.length]!
    // a replica gives a failover up whose master does not answer within five seconds
    await until("the failover", async () => {
      if (!(await isReplica(chosen))) return true
      if (mayStand(chosen)) {
        askedAt.set(chosen, performance.now())
        await chosen.call("CLUSTER", "FAILOVER")
      }
      return false
    })
    // redis-cli refuses to reshard while servers disagree
    await until("agreement", agreed)
  }
  const agreed = async () => {
    const views = await Promise.all(
      clients.map(async (client) =>
        nodesOf(String(await client.call("CLUSTER", "NODES")))
          .filter(({ slots }) => slots.length > 0)
          .map(({ id, slots }) => `${id} ${slots.join(" ")}`)
          .toSorted()
          .join("\n")
      )
    )
    return new Set(views).size === 1
  }

  const ownerOf = async (slot: number) => {
    const owner = (await nodes()).find(({ isMaster, slots }) =>
      slots.some((range) => {
        const [from = 0, to = from] = range.split("-").map(Number)
        return isMaster && slot >= from && slot <= to
      })
    )
    if (owner === undefined) throw new Error(`no master has slot ${slot}`)
    return owner
  }
  const move = async (from: Node, to: Node) => {
    const words = ["--cluster-from", from.id, "--cluster-to", to.id, "--cluster-slots", "1", "--cluster-yes"]
    await redisCli(...login, "--cluster", "reshard", `127.0.0.1:${to.port}`, ...words)
    await until("agreement", agreed)
  }

  const perform = async (fault: Fault) => {
    const { byMillis, forMillis, kind } = fault
    if (kind === "rotation" || kind === "rotation-late") return passwords.rotate(fault, clients)
    if (kind === "cluster-failover") return failOver(byMillis)
    if (kind !== "reshard") throw new Error(`${kind} is no fault of a Cluster`)
    await move(await ownerOf(first), await ownerOf(second))
    await delay(forMillis)
    // `first` is now the lowest slot of the master that holds `second`
    const home = await ownerOf(first + 1)
    await move(await ownerOf(first), home)
  }

  return {
    url: `redis+cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
    port: null,
    settings: passwords.settings,
    outside,
    keys: async () => (await Promise.all(outside.nodes("master").map((node) => node.keys("*")))).flat(),
    inject: oneAtATime(perform),
    stop: async () => {
      outside.disconnect()
      for (const client of clients) client.disconnect()
      await Promise.all(servers.map((server) => server.stop()))
      passwords.remove()
    }
  }
}
