/**
 * Connection: how the driver connects to Redis or to the servers of a Cluster: options, slot map, one write for all commands of
 * a tick. Neighbours: Command (what is sent over it), RedisClient and BlockingReader (the owners of connections).
 */
import { AbstractConnector, Cluster, Redis as StandaloneRedis, SentinelConnector } from "ioredis"
import type { ClusterOptions, RedisOptions, SentinelConnectionOptions } from "ioredis"
import { connect as connectTcp } from "node:net"
import type { Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import type { ConnectionOptions } from "node:tls"
import { hashSlot } from "./HashSlot.ts"
import type * as RedisUrl from "./RedisUrl.ts"

export type Overrides = Omit<RedisOptions, "replyMapping">

/** A connection that returns nothing for this long while commands wait is closed and replaced. */
export const silenceMillis = 5_000
export const mostRetryMillis = 1_000
export const settings = {
  // our schemas describe RESP2 replies
  protocol: 2,
  maxRetriesPerRequest: 2,
  socketTimeout: silenceMillis,
  connectTimeout: silenceMillis,
  keepAlive: 10_000,
  retryStrategy: (times: number) => Math.min(50 * times, mostRetryMillis),
  // while a server loads its data, the driver would wait as long as the server estimates: seconds, where 0.1 s may do
  maxLoadingRetryTime: 500
} satisfies Overrides

/**
 * A slot on its way to another master is answered ASK by one and TRYAGAIN by the other, 40 times within these bounds: the driver
 * gives a command up after about 8 s, before its caller does (Command), so that no command runs after its caller has sent it again.
 */
const movingSlots = { retryDelayOnTryAgain: 200, maxRedirections: 80 }

const access = (url: RedisUrl.RedisUrl): Pick<RedisOptions, "username" | "password" | "tls"> => ({
  ...(url.username === undefined ? {} : { username: url.username }),
  ...(url.password === undefined ? {} : { password: url.password }),
  ...(url.tls ? { tls: {} } : {})
})

export type Connection = StandaloneRedis | Cluster

/** Receives what a server says that refuses a connection. */
export type Turned = (words: string) => void
/** What a server says first when it refuses the connection itself, before any command: protected mode, its limit of clients. */
const turnedAway = /^-((?:DENIED|ERR max number of clients) ?[^\r\n]*)/

/**
 * Prepares a socket before the driver sees it. The driver's first commands leave in one write: a server that refuses the
 * connection closes it at once, and a second write would fail before its words are read. They are passed to `turned`.
 */
const prepare = <S extends Socket>(socket: S, isTls: boolean, turned: Turned): S =>
  socket.once(isTls ? "secureConnect" : "connect", () => {
    socket.cork()
    process.nextTick(() => socket.uncork())
    socket.once("data", (piece: Buffer) => {
      const words = turnedAway.exec(piece.toString("latin1", 0, 400))?.[1]
      if (words !== undefined) turned(words)
    })
  })

interface Address {
  readonly host?: string
  readonly port?: number
  readonly tls?: ConnectionOptions
  readonly disconnectTimeout: number
}
const addressConnector = (turned: Turned) =>
  class extends AbstractConnector {
    readonly #to: Address
    constructor(to: unknown) {
      super((to as Address).disconnectTimeout)
      this.#to = to as Address
    }
    connect(): Promise<Socket> {
      const { host = "127.0.0.1", port = 6379, tls } = this.#to
      this.connecting = true
      const socket = tls === undefined ? connectTcp({ host, port }) : connectTls({ host, port, ...tls })
      socket.once("error", (error) => {
        this.firstError = error
      })
      this.stream = socket
      return Promise.resolve(prepare(socket, tls !== undefined, turned))
    }
  }
const sentinelConnector = (turned: Turned) =>
  class extends SentinelConnector {
    constructor(to: unknown) {
      super(to as SentinelConnectionOptions)
    }
    override async connect(emit: Parameters<SentinelConnector["connect"]>[0]) {
      const isTls = this.options.enableTLSForSentinelMode === true && this.options.tls !== undefined
      return prepare((await super.connect(emit)) as Socket, isTls, turned)
    }
  }

export const connect = (url: RedisUrl.RedisUrl, overrides: Overrides, turned: Turned): Connection => {
  const Connector = url._tag === "Sentinel" ? sentinelConnector(turned) : addressConnector(turned)
  const options = { ...settings, ...access(url), Connector, ...overrides }
  switch (url._tag) {
    case "Standalone":
      return new StandaloneRedis({ ...options, host: url.endpoint.host, port: url.endpoint.port, db: url.db })
    case "Sentinel":
      return new StandaloneRedis({
        ...options,
        sentinels: url.sentinels.map(({ host, port }) => ({ host, port })),
        name: url.name,
        db: url.db,
        failoverDetector: true,
        ...(url.tls ? { enableTLSForSentinelMode: true } : {})
      })
    case "Cluster":
      return new Cluster(
        url.nodes.map(({ host, port }) => ({ host, port })),
        {
          clusterRetryStrategy: settings.retryStrategy,
          slotsRefreshTimeout: 2_000,
          ...movingSlots,
          redisOptions: options
        } satisfies Omit<ClusterOptions, "replyMapping">
      )
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

/** The node that holds a key, by the shared client's slot map. */
export const nodeOf = (cluster: Cluster, routingKey: string): StandaloneRedis | undefined => {
  const name = cluster.slots[hashSlot(routingKey)]?.[0]
  return cluster.nodes("master").find((node) => `${node.options.host}:${node.options.port}` === name)
}

/** The masters known now; those of a Cluster are known after its first answer. */
export const mastersOf = (connection: Connection): ReadonlyArray<StandaloneRedis> =>
  connection instanceof Cluster ? connection.nodes("master") : [connection]
