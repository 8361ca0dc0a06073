/**
 * Connection: how the driver connects to Redis or to the servers of a Cluster: options, slot map, one write for all commands of
 * a tick. Neighbours: Connector (the sockets), Command (what is sent over them), RedisClient and BlockingReader (the owners of
 * connections).
 */
import { Redis as StandaloneRedis, Cluster } from "ioredis"
import type { ClusterOptions, RedisOptions } from "ioredis"
import { hashSlot } from "./HashSlot.ts"
import * as NamedDatabase from "./NamedDatabase.ts"
import type { RedisSettings } from "./RedisSettings.ts"

export type Overrides = Omit<RedisOptions, "replyMapping">

/** A connection that returns nothing for this long while commands wait is closed and replaced. */
export const silenceMillis = 5_000
export const mostRetryMillis = 1_000
export const settings = {
  // our schemas describe RESP2 replies
  protocol: 2,
  maxRetriesPerRequest: 2,
  // CLIENT SETINFO: a permission more, for nothing that we read
  disableClientInfo: true,
  socketTimeout: silenceMillis,
  connectTimeout: silenceMillis,
  keepAlive: 10_000,
  retryStrategy: (times: number) => Math.min(50 * times, mostRetryMillis),
  // while a server loads its data, the driver would wait as long as the server estimates: seconds, where 0.1 s may do
  maxLoadingRetryTime: 500
} satisfies Overrides

/**
 * A slot on its way to another master is answered ASK by one master, TRYAGAIN by the other, and MOVED by the rest. Within these
 * bounds the driver tries for 5 to 8 s. It gives a command up before its caller does (Command), so that no command runs after its
 * caller has sent it again.
 */
const movingSlots = { retryDelayOnTryAgain: 200, maxRedirections: 80 }

export type Connection = StandaloneRedis | Cluster

/**
 * The driver sends ASKING before a command for a slot on its way, and lets go of the answer: should the connection close before it
 * comes, the rejection would end the process. The command behind it fails by itself, and tells its caller.
 */
const hearAsking = (node: StandaloneRedis): void => {
  const asking = node.asking.bind(node)
  node.asking = () => {
    const answer = asking()
    answer.catch(() => undefined)
    return answer
  }
}

export const connect = ({ credentials, sentinel, tls, url }: RedisSettings, overrides: Overrides): Connection => {
  const options = {
    ...settings,
    ...(credentials.username === undefined ? {} : { username: credentials.username }),
    ...(credentials.password() === undefined ? {} : { password: credentials.password() }),
    ...(url.tls ? { tls } : {}),
    ...overrides
  }
  switch (url._tag) {
    case "Standalone":
      return NamedDatabase.guard(
        new StandaloneRedis({ ...options, host: url.endpoint.host, port: url.endpoint.port, db: url.db })
      )
    case "Sentinel":
      return NamedDatabase.guard(
        new StandaloneRedis({
          ...options,
          sentinels: url.sentinels.map(({ host, port }) => ({ host, port })),
          name: url.name,
          db: url.db,
          ...(sentinel.username === undefined ? {} : { sentinelUsername: sentinel.username }),
          ...(sentinel.password === undefined ? {} : { sentinelPassword: sentinel.password }),
          ...(url.tls ? { enableTLSForSentinelMode: true } : {}),
          ...(url.sentinelTls ? { sentinelTLS: tls } : {})
        })
      )
    case "Cluster": {
      const cluster = new Cluster(
        url.nodes.map(({ host, port }) => ({ host, port })),
        {
          clusterRetryStrategy: settings.retryStrategy,
          slotsRefreshTimeout: 2_000,
          ...movingSlots,
          // a certificate is of a name: with TLS the driver must not turn names into addresses
          ...(url.tls ? { dnsLookup: (name, done) => done(null, name, 0) } : {}),
          redisOptions: options
        } satisfies Omit<ClusterOptions, "replyMapping">
      )
      cluster.on("+node", hearAsking)
      return cluster
    }
  }
}

/**
 * Buffers a connection's writes until the tick is over, so that its commands leave in one system call. The driver's own
 * auto-pipelining sends one batch at a time, and when a connection breaks it throws an error that no caller can catch.
 */
export const cork = (connection: Connection): void => {
  if (connection instanceof Cluster) return
  const stream = connection.stream
  if (stream === undefined || stream.writableCorked > 0) return
  stream.cork()
  process.nextTick(() => stream.uncork())
}

/**
 * Fails the commands that wait in the driver while the Cluster's slot map is unknown, at every third attempt to reconnect. The
 * driver does this for a single server, but has no deadline for this queue.
 */
export const boundQueue = (cluster: Cluster): void => {
  let attempts = 0
  cluster.on("ready", () => {
    attempts = 0
  })
  cluster.on("reconnecting", () => {
    if (++attempts % (settings.maxRetriesPerRequest + 1) !== 0) return
    const flush: unknown = Reflect.get(cluster, "flushQueue")
    if (typeof flush === "function") flush.call(cluster, new Error("no server of the Cluster answers"))
  })
}

/**
 * Whether a server says that it is a replica; false when it does not tell, as a proxy may: then a refused write tells. HELLO
 * without arguments changes nothing, and needs no permission that INFO or ROLE need.
 */
export const isReplica = async (server: StandaloneRedis): Promise<boolean> => {
  const reply = await server.call("HELLO").catch((error: unknown) => error)
  if (!Array.isArray(reply)) return false
  const words: ReadonlyArray<unknown> = reply
  return words[words.indexOf("role") + 1] === "replica"
}

/** `host:port` of the master that has a key, by the shared client's slot map; "" where none is known. */
export const serverName = (cluster: Cluster, key: string): string => cluster.slots[hashSlot(key)]?.[0] ?? ""

/** A key in a slot of this master, by the slot map; null where it has no slots. `prefix`: what the key begins with. */
export const keyAt = (cluster: Cluster, server: string, prefix: string): string | null => {
  if (!cluster.slots.some((owners) => owners[0] === server)) return null
  for (let n = 0; ; n++) {
    const key = `${prefix}{${n}}`
    if (serverName(cluster, key) === server) return key
  }
}

/** The node that holds a key, by the shared client's slot map. */
export const nodeOf = (cluster: Cluster, routingKey: string): StandaloneRedis | undefined => {
  const name = serverName(cluster, routingKey)
  return cluster.nodes("master").find((node) => nameOf(node) === name)
}

/** `host:port`, as the driver names a server. */
export const nameOf = (node: StandaloneRedis): string => `${node.options.host}:${node.options.port}`

/**
 * The masters; those of a Cluster are known after its first answer. The driver forgets a master whose connection ended until a
 * command for it comes; reading the slot map again reminds it. Rejects when no server of a Cluster answers.
 */
export const mastersOf = async (connection: Connection): Promise<ReadonlyArray<StandaloneRedis>> => {
  if (!(connection instanceof Cluster)) return [connection]
  if (connection.nodes("master").length === 0) await connection.ping()
  const known = new Set(connection.nodes("master").map(nameOf))
  const isForgotten = connection.slots.some(([owner]) => owner !== undefined && !known.has(owner))
  if (isForgotten) await new Promise<void>((resolve) => connection.refreshSlotsCache(() => resolve()))
  return connection.nodes("master")
}
