/**
 * Connection: a socket to Redis, or to a Cluster's servers, as the driver makes it: options, map of slots, writes of one tick
 * held together. What is sent over it: Command; who owns which: RedisClient, BlockingReader.
 */
import { Redis as StandaloneRedis, Cluster } from "ioredis"
import type { ClusterOptions, RedisOptions } from "ioredis"
import { hashSlot } from "./HashSlot.ts"
import type * as RedisUrl from "./RedisUrl.ts"

export type Overrides = Omit<RedisOptions, "replyMapping">

/** A connection that sends nothing back for this long while commands wait is destroyed and made anew. */
export const silenceMillis = 5_000
export const mostRetryMillis = 1_000
export const settings = {
  // replies in the one shape our schemas describe, whatever the driver would make of RESP3
  protocol: 2,
  maxRetriesPerRequest: 2,
  socketTimeout: silenceMillis,
  connectTimeout: silenceMillis,
  keepAlive: 10_000,
  retryStrategy: (times: number) => Math.min(50 * times, mostRetryMillis),
  // the driver would wait as long as a server that loads its data guesses it will: seconds, when it is done in a tenth of one
  maxLoadingRetryTime: 500
} satisfies Overrides

const access = (url: RedisUrl.RedisUrl): Pick<RedisOptions, "username" | "password" | "tls"> => ({
  ...(url.username === undefined ? {} : { username: url.username }),
  ...(url.password === undefined ? {} : { password: url.password }),
  ...(url.tls ? { tls: {} } : {})
})

export type Connection = StandaloneRedis | Cluster

export const connect = (url: RedisUrl.RedisUrl, overrides: Overrides): Connection => {
  const options = { ...settings, ...access(url), ...overrides }
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
          redisOptions: options
        } satisfies Omit<ClusterOptions, "replyMapping">
      )
  }
}

/**
 * Holds a connection's writes back until the tick is over, so that its commands leave in one system call. The driver's own
 * auto-pipelining sends one batch at a time and throws out of reach when a connection breaks under it.
 */
export const cork = (connection: Connection): void => {
  if (connection instanceof Cluster) return
  const stream = connection.stream
  if (stream === undefined || stream.writableCorked > 0) return
  stream.cork()
  process.nextTick(() => stream.uncork())
}

/**
 * What is sent while a Cluster has no map of itself waits in the driver, which has no deadline for it: it is failed at every
 * third attempt to reconnect, as the driver does for one server.
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

/** The node a key lives on, by the shared client's map of the Cluster. */
export const nodeOf = (cluster: Cluster, routingKey: string): StandaloneRedis | undefined => {
  const name = cluster.slots[hashSlot(routingKey)]?.[0]
  return cluster.nodes("master").find((node) => `${node.options.host}:${node.options.port}` === name)
}

/** The masters known now; a Cluster's are once it has answered anything. */
export const mastersOf = (connection: Connection): ReadonlyArray<StandaloneRedis> =>
  connection instanceof Cluster ? connection.nodes("master") : [connection]
