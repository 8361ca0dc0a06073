/**
 * RedisClient: the process's connections to Redis, standalone, Sentinel or Cluster by URL alone. The only import of ioredis.
 *   - one command connection, shared: commands of one tick leave in one write (docs/decisions/0005)
 *   - `reader`: a connection of its own for blocking reads, replaced when it falls silent (A4)
 * What Redis withholds (a lost connection, error replies) is told to Trouble, which says it once.
 * Errors are typed by what the caller may do (RedisError). Commands in flight when a connection is lost are sent again
 * by the driver: every script of ours may run twice.
 */
import { Redis as StandaloneRedis, Cluster } from "ioredis"
import type { ClusterOptions, RedisOptions } from "ioredis"
import { Config, Context, Duration, Effect, Layer, Metric, Schema } from "effect"
import type { Scope } from "effect"
import { redisCommands } from "../telemetry/Metrics.ts"
import * as CommandDeadline from "./CommandDeadline.ts"
import { hashSlot } from "./HashSlot.ts"
import { RedisFull, RedisRefused, RedisReplyInvalid, RedisUnavailable } from "./RedisError.ts"
import type { RedisError } from "./RedisError.ts"
import * as RedisUrl from "./RedisUrl.ts"
import type { Script } from "./Script.ts"
import * as ServerInfo from "./ServerInfo.ts"
import * as Trouble from "./Trouble.ts"

export type Argument = string | number | Buffer

/** A connection for blocking reads. */
export interface Reader {
  /**
   * Sends one blocking command; null when it timed out empty or was unblocked.
   * A reader silent for `blockMillis` + 5 s fails with RedisUnavailable and is replaced by a new connection.
   */
  readonly read: (
    blockMillis: number,
    command: string,
    ...args: ReadonlyArray<Argument>
  ) => Effect.Effect<unknown, RedisError>
  /** Ends the running read early, at once. Does nothing when none is running. */
  readonly unblock: Effect.Effect<void>
}

export class RedisClient extends Context.Service<
  RedisClient,
  {
    readonly topology: RedisUrl.RedisUrl["_tag"]
    /** Sends one command. Replies are `unknown` until the caller decodes them. */
    readonly send: (command: string, ...args: ReadonlyArray<Argument>) => Effect.Effect<unknown, RedisError>
    /** GET of binary data; null when the key is absent. */
    readonly getBuffer: (key: string) => Effect.Effect<Buffer | null, RedisError>
    /**
     * Runs a script, one round trip; the reply is decoded by the script's schema.
     * - `quick`: RedisUnavailable after half a second, for callers who can do without; else after ten
     */
    readonly run: <A>(
      script: Script<A>,
      keys: ReadonlyArray<string>,
      args: ReadonlyArray<Argument>,
      options?: { readonly quick: boolean }
    ) => Effect.Effect<A, RedisError>
    /** A connection of its own for blocking reads of keys that share `routingKey`'s slot; closed with the scope. */
    readonly reader: (routingKey: string) => Effect.Effect<Reader, never, Scope.Scope>
    /** How often the command connection has come back: a change tells that replies may have been lost. */
    readonly reconnects: () => number
    /** What every master that answers says of itself; RedisRefused where that is not permitted. */
    readonly servers: Effect.Effect<ReadonlyArray<ServerInfo.ServerInfo>, RedisError>
    /** Null while Redis answers and takes writes; else what is wrong. Does no I/O. */
    readonly trouble: () => string | null
    /**
     * Every key that matches, from all masters, a page at a time: all that are there from beginning to end, some perhaps
     * twice. Looks at every key there is, so it is for starting up, not for a hot path. Pages that find nothing are left out.
     */
    readonly scanPages: <E, R>(
      pattern: string,
      page: (keys: ReadonlyArray<string>) => Effect.Effect<void, E, R>
    ) => Effect.Effect<void, RedisError | E, R>
    /** Every key that matches, from all masters; for tests and tools, never on a hot path. */
    readonly scan: (pattern: string) => Effect.Effect<ReadonlyArray<string>, RedisError>
    /** As `scan`, but no more than about `mostKeys` keys of each master are looked at; `complete`: it came to the end. */
    readonly sweep: (
      pattern: string,
      mostKeys: number
    ) => Effect.Effect<{ readonly keys: ReadonlyArray<string>; readonly complete: boolean }, RedisError>
  }
>()("@eco2/core/redis/RedisClient") {}

/** A connection that sends nothing back for this long while commands wait is destroyed and made anew. */
const silenceMillis = 5_000
const mostRetryMillis = 1_000
const settings = {
  // replies in the one shape our schemas describe, whatever the driver would make of RESP3
  protocol: 2,
  maxRetriesPerRequest: 2,
  socketTimeout: silenceMillis,
  connectTimeout: silenceMillis,
  keepAlive: 10_000,
  retryStrategy: (times: number) => Math.min(50 * times, mostRetryMillis),
  // the driver would wait as long as a server that loads its data guesses it will: seconds, when it is done in a tenth of one
  maxLoadingRetryTime: 500
} satisfies Omit<RedisOptions, "replyMapping">

const access = (url: RedisUrl.RedisUrl): Pick<RedisOptions, "username" | "password" | "tls"> => ({
  ...(url.username === undefined ? {} : { username: url.username }),
  ...(url.password === undefined ? {} : { password: url.password }),
  ...(url.tls ? { tls: {} } : {})
})

type Connection = StandaloneRedis | Cluster

const connect = (url: RedisUrl.RedisUrl, overrides: Omit<RedisOptions, "replyMapping">): Connection => {
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

const isConnectionError = (error: Error): boolean =>
  !("command" in error) ||
  !/^[A-Z]{3,}/.test(error.message) ||
  error.message.startsWith("CLUSTERDOWN") ||
  error.message.startsWith("TRYAGAIN")

const toRedisError = (command: string, cause: unknown): RedisError => {
  if (!(cause instanceof Error)) return new RedisUnavailable({ command, cause })
  const text = cause.message.replace(/^ReplyError: /, "")
  if (/(^|\s|-)OOM /.test(text)) return new RedisFull({ command })
  if (cause.name !== "ReplyError" || isConnectionError(cause)) return new RedisUnavailable({ command, cause })
  return new RedisRefused({ command, code: text.split(" ", 1)[0] ?? "ERR", reply: text })
}

/**
 * Holds a connection's writes back until the tick is over, so that its commands leave in one system call. The driver's own
 * auto-pipelining sends one batch at a time and throws out of reach when a connection breaks under it.
 */
const cork = (connection: Connection): void => {
  if (connection instanceof Cluster) return
  const stream = connection.stream
  if (stream === undefined || stream.writableCorked > 0) return
  stream.cork()
  process.nextTick(() => stream.uncork())
}

/** What was in flight when a connection fell silent waits for the next one; not for ever. */
const deadlineMillis = 2 * silenceMillis
const quickMillis = 500
const usual = { millis: deadlineMillis, ...CommandDeadline.make(deadlineMillis) }
const quick = { millis: quickMillis, ...CommandDeadline.make(quickMillis) }
const late = (command: string, millis: number) =>
  new RedisUnavailable({ command, cause: new Error(`no answer within ${millis / 1000} s`) })

/** `deadline` null: a blocking read, which has one of its own. */
const fromPromise = <A>(
  command: string,
  send: () => Promise<A>,
  deadline: typeof usual | null = usual
): Effect.Effect<A, RedisError> =>
  Effect.callback<A, RedisError>((resume) => {
    const answered = deadline?.begin(() => resume(Effect.fail(late(command, deadline.millis))))
    send().then(
      (reply) => {
        answered?.()
        resume(Effect.succeed(reply))
      },
      (cause: unknown) => {
        answered?.()
        resume(Effect.fail(toRedisError(command, cause)))
      }
    )
  })

/**
 * What is sent while a Cluster has no map of itself waits in the driver, which has no deadline for it: it is failed at every
 * third attempt to reconnect, as the driver does for one server.
 */
const boundQueue = (cluster: Cluster): void => {
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
const nodeOf = (cluster: Cluster, routingKey: string): StandaloneRedis | undefined => {
  const name = cluster.slots[hashSlot(routingKey)]?.[0]
  return cluster.nodes("master").find((node) => `${node.options.host}:${node.options.port}` === name)
}

const make = Effect.fnUntraced(function* (url: RedisUrl.RedisUrl) {
  const services = yield* Effect.context<never>()
  const fork = Effect.runForkWith(services)
  let connects = 0
  let closing = false
  const trouble = yield* Trouble.make(Effect.suspend(() => lookAgain))
  const watched = {
    // the driver shows us every error reply here, of whichever connection
    reconnectOnError: (error: Error) => {
      const kind = Trouble.kindOf(error.message)
      if (kind === null) return false
      trouble.refused(kind, error.message)
      // a replica that was promoted, or a master that was demoted: connect anew and send again
      return kind === "READONLY" || kind === "MASTERDOWN" || kind === "LOADING" ? 2 : false
    },
    // such a connection comes up each time, only to be given up again: less often the longer that lasts
    retryStrategy: (times: number) =>
      Math.min(Math.max(settings.retryStrategy(times), trouble.refusingMillis() / 4), mostRetryMillis)
  } satisfies Omit<RedisOptions, "replyMapping">
  const shared = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const connection = connect(url, { ...watched, connectionName: "eco2" })
      connection.on("error", (error: Error) => trouble.lost(Trouble.commands, error.message))
      connection.on("node error", (error: Error) => trouble.refused("NODE", error.message))
      connection.on("close", () => {
        if (!closing && trouble.refusingMillis() === 0) trouble.lost(Trouble.commands, "Redis closed the connection")
      })
      connection.on("ready", () => {
        if (connects++ > 0) fork(Effect.ignore(lookAgain))
        trouble.found(Trouble.commands)
      })
      if (connection instanceof Cluster) boundQueue(connection)
      return connection
    }),
    (connection) =>
      Effect.sync(() => {
        closing = true
        connection.disconnect()
      })
  )

  const ask = async (node: StandaloneRedis): Promise<ServerInfo.ServerInfo> => {
    const texts = await Promise.all([node.info(), ...(shared instanceof Cluster ? [node.cluster("INFO")] : [])])
    return ServerInfo.parse(`${node.stream.remoteAddress}:${node.stream.remotePort}`, texts.join("\r\n"))
  }
  const askAll = async (): Promise<Trouble.Look> => {
    // a Cluster's masters are known once it has answered anything
    if (shared instanceof Cluster) await shared.ping()
    const answers = await Promise.allSettled((shared instanceof Cluster ? shared.nodes("master") : [shared]).map(ask))
    const heard = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []))
    if (heard.length === 0) throw answers.find((answer) => answer.status === "rejected")?.reason
    return { heard, silent: answers.length - heard.length }
  }
  const look = Effect.suspend(() => fromPromise("INFO", askAll))
  let objected = ""
  /** After a reconnect or in trouble: others may answer now than at the start. Each finding is said once. */
  const lookAgain = Effect.tap(look, ({ heard }) => {
    const objections = heard.flatMap(ServerInfo.objections)
    if (objections.length === 0 || objections.join() === objected) return Effect.void
    objected = objections.join()
    return Effect.logWarning("redis is not fit to hold jobs").pipe(Effect.annotateLogs({ objections }))
  })

  const counted = <A>(effect: Effect.Effect<A, RedisError>) => Effect.andThen(Metric.update(redisCommands, 1), effect)
  const send = (command: string, ...args: ReadonlyArray<Argument>) =>
    counted(
      fromPromise(command, () => {
        cork(shared)
        return shared.call(command, ...args)
      })
    )

  const known = new Set<string>()
  const invoke = (
    script: Script<unknown>,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<Argument>
  ): Promise<unknown> => {
    if (!known.has(script.name)) {
      shared.defineCommand(script.name, { lua: script.lua, numberOfKeys: script.numberOfKeys })
      known.add(script.name)
    }
    cork(shared)
    const command: unknown = Reflect.get(shared, script.name)
    return typeof command === "function"
      ? command.apply(shared, [...keys, ...args])
      : Promise.reject(new Error(`script ${script.name} is not defined`))
  }

  const openReader = (routingKey: string, name: string): StandaloneRedis => {
    const overrides = {
      ...watched,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      connectionName: "eco2-reader",
      lazyConnect: true,
      // our own timer guards a blocking read
      socketTimeout: undefined
    }
    let connection: Connection
    if (shared instanceof Cluster) {
      const node = nodeOf(shared, routingKey)
      if (node === undefined) throw new Error(`no master of the Cluster serves ${routingKey} now`)
      const { host = "127.0.0.1", port = 6379 } = node.options
      connection = connect({ ...url, _tag: "Standalone", endpoint: { host, port }, db: 0 }, overrides)
    } else {
      connection = connect(url, overrides)
    }
    if (connection instanceof Cluster) throw new Error("a reader is one socket")
    connection.on("error", (error: Error) => trouble.lost(name, error.message))
    connection.on("ready", () => trouble.found(name))
    return connection
  }

  let readers = 0
  const reader = (routingKey: string): Effect.Effect<Reader, never, Scope.Scope> =>
    Effect.gen(function* () {
      let current: { readonly connection: StandaloneRedis; id: number | undefined } | undefined
      let reading = false
      const name = `reader ${readers++}`
      const drop = () => {
        current?.connection.disconnect()
        current = undefined
      }
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          drop()
          trouble.found(name)
        })
      )
      const open = Effect.tryPromise({
        try: async () => {
          if (current !== undefined) return current
          const connection = openReader(routingKey, name)
          current = { connection, id: undefined }
          await connection.connect()
          current.id = Number(await connection.call("CLIENT", "ID"))
          return current
        },
        catch: (cause) => toRedisError("CLIENT ID", cause)
      })
      const read = (blockMillis: number, command: string, ...args: ReadonlyArray<Argument>) =>
        counted(
          open.pipe(
            Effect.flatMap(({ connection }) => {
              reading = true
              return fromPromise(command, () => connection.call(command, ...args), null)
            }),
            Effect.timeoutOrElse({
              duration: Duration.millis(blockMillis + silenceMillis),
              orElse: () => Effect.fail(new RedisUnavailable({ command, cause: new Error("the reader fell silent") }))
            }),
            Effect.onExit((exit) =>
              Effect.sync(() => {
                reading = false
                if (exit._tag === "Failure") drop()
              })
            )
          )
        )
      const unblock = Effect.suspend(() => {
        const id = current?.id
        if (id === undefined || !reading) return Effect.void
        const target = shared instanceof Cluster ? nodeOf(shared, routingKey) : shared
        return target === undefined
          ? Effect.void
          : // failure is harmless: the read ends by itself, later
            Effect.ignore(counted(fromPromise("CLIENT UNBLOCK", () => target.call("CLIENT", "UNBLOCK", id))))
      })
      return { read, unblock }
    })

  const masters = () => (shared instanceof Cluster ? shared.nodes("master") : [shared])
  const scanStep = 1_000
  const scanOnce = (node: StandaloneRedis, pattern: string, cursor: string) =>
    counted(fromPromise("SCAN", () => node.scan(cursor, "MATCH", pattern, "COUNT", scanStep)))
  const scanPages = <E, R>(pattern: string, page: (keys: ReadonlyArray<string>) => Effect.Effect<void, E, R>) =>
    Effect.gen(function* () {
      for (const node of masters()) {
        let cursor = "0"
        do {
          const [next, keys] = yield* scanOnce(node, pattern, cursor)
          if (keys.length > 0) yield* page(keys)
          cursor = next
        } while (cursor !== "0")
      }
    })
  const sweep = (pattern: string, mostKeys: number) =>
    Effect.gen(function* () {
      const found: Array<string> = []
      let complete = true
      for (const node of masters()) {
        let cursor = "0"
        let left = mostKeys
        do {
          const [next, keys] = yield* scanOnce(node, pattern, cursor)
          found.push(...keys)
          cursor = next
          left -= scanStep
        } while (cursor !== "0" && left > 0)
        complete &&= cursor === "0"
      }
      return { keys: found, complete }
    })

  return RedisClient.of({
    topology: url._tag,
    send,
    getBuffer: (key) => counted(fromPromise("GET", () => shared.getBuffer(key))),
    run: (script, keys, args, options) =>
      Effect.flatMap(
        counted(fromPromise(script.name, () => invoke(script, keys, args), options?.quick === true ? quick : usual)),
        script.decode
      ),
    reader,
    servers: Effect.map(counted(look), ({ heard }) => heard),
    trouble: trouble.present,
    reconnects: () => Math.max(0, connects - 1),
    scanPages,
    scan: (pattern) => {
      const found: Array<string> = []
      return Effect.as(
        scanPages(pattern, (keys) => Effect.sync(() => void found.push(...keys))),
        found
      )
    },
    sweep
  })
})

/** From a URL already known: tests and `npm start`, which make their own server. */
export const layerUrl = (url: string): Layer.Layer<RedisClient, RedisUrl.RedisUrlInvalid> =>
  Layer.effect(RedisClient, Effect.flatMap(RedisUrl.parse(url), make))

/** From REDIS_URL and REDIS_PASSWORD. */
export const layer: Layer.Layer<RedisClient, RedisUrl.RedisUrlInvalid | Config.ConfigError> = Layer.effect(
  RedisClient,
  Effect.flatMap(RedisUrl.fromSettings, make)
)

/** Decodes a reply at the edge; a mismatch is RedisReplyInvalid. */
export const decodeReply = <A>(command: string, schema: Schema.ConstraintDecoder<A>) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (reply: unknown): Effect.Effect<A, RedisReplyInvalid> =>
    Effect.mapError(decode(reply), (issue) => new RedisReplyInvalid({ command, reason: String(issue) }))
}
