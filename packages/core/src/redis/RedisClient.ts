/**
 * RedisClient: the process's connections to Redis; the URL chooses standalone, Sentinel or Cluster. Only this folder imports
 * the driver.
 *   - one shared command connection: commands of one tick leave in one write (docs/decisions/0005)
 *   - `replicated`: connections for scripts that wait for replicas (ReplicatedWrites)
 *   - `reader`: a dedicated connection for blocking reads, replaced when it falls silent (A4)
 * It reports broken connections and error replies to RedisHealth, which logs them once. Errors are typed by what the caller
 * may do (RedisError). The driver sends commands in flight again when a connection is lost, so every script may run twice.
 */
import { Cluster } from "ioredis"
import type { Redis as StandaloneRedis } from "ioredis"
import { Config, Context, Effect, Layer, Metric, Schema } from "effect"
import type { Scope } from "effect"
import { redisCommands } from "../telemetry/Metrics.ts"
import * as OutageLog from "../telemetry/OutageLog.ts"
import * as BlockingReader from "./BlockingReader.ts"
import { fromPromise, isSentAround, quick, usual } from "./Command.ts"
import type { Argument } from "./Command.ts"
import {
  boundQueue,
  connect,
  cork,
  isReplica,
  keyAt,
  mastersOf,
  mostRetryMillis,
  nameOf,
  nodeOf,
  serverName,
  settings
} from "./Connection.ts"
import type { Overrides } from "./Connection.ts"
import * as KeyScan from "./KeyScan.ts"
import * as Connector from "./Connector.ts"
import * as ErrorReply from "./ErrorReply.ts"
import * as Keys from "./Keys.ts"
import * as NamedDatabase from "./NamedDatabase.ts"
import * as PasswordRotation from "./PasswordRotation.ts"
import { codeOf, RedisRefused, RedisReplyInvalid, RedisUnavailable } from "./RedisError.ts"
import type { RedisError } from "./RedisError.ts"
import * as Permissions from "./Permissions.ts"
import * as RedisSettings from "./RedisSettings.ts"
import * as RedisUrl from "./RedisUrl.ts"
import * as ReplicatedWrites from "./ReplicatedWrites.ts"
import * as Script from "./Script.ts"
import * as SentinelWatch from "./SentinelWatch.ts"
import * as ServerInfo from "./ServerInfo.ts"
import * as RedisHealth from "./RedisHealth.ts"

export type { Argument } from "./Command.ts"
/** A connection for blocking reads. */
export class RedisClient extends Context.Service<
  RedisClient,
  {
    readonly topology: RedisUrl.RedisUrl["_tag"]
    /** The names of this installation's keys. */
    readonly keys: Keys.Names
    /** Sends one command. Replies are `unknown` until the caller decodes them. */
    readonly send: (command: string, ...args: ReadonlyArray<Argument>) => Effect.Effect<unknown, RedisError>
    /** GET of binary data; null when the key is absent. */
    readonly getBuffer: (key: string) => Effect.Effect<Buffer | null, RedisError>
    /**
     * Runs a script, one round trip; the reply is decoded by the script's schema.
     * - `quick`: RedisUnavailable after 0.5 s instead of 10 s, for callers that can do without the answer
     */
    readonly run: <A>(
      script: Script.Script<A>,
      keys: ReadonlyArray<string>,
      args: ReadonlyArray<Argument>,
      options?: { readonly quick: boolean }
    ) => Effect.Effect<A, RedisError>
    /** A dedicated connection for blocking reads of keys in the slot of `routingKey`; closes with the scope. */
    readonly reader: (routingKey: string) => Effect.Effect<BlockingReader.BlockingReader, never, Scope.Scope>
    /** Runs scripts that count only once `replicas` have their writes, on connections of their own; close with the scope. */
    readonly replicated: (replicas: number) => Effect.Effect<ReplicatedWrites.ReplicatedWrites, never, Scope.Scope>
    /** The failure of a caller that waits no longer for an answer. It is not logged again where RedisHealth has said why. */
    readonly late: (command: string, why: string) => RedisError
    /** How often the command connection was restored; after a change, replies may have been lost. */
    readonly reconnects: () => number
    /**
     * A name of the connection and server that answer for this key now; after a change, acknowledged writes may have been lost.
     * Empty: no server is known. Does no I/O.
     */
    readonly home: (key: string) => string
    /** INFO of every master that answers; RedisRefused where INFO is not permitted. */
    readonly servers: Effect.Effect<ReadonlyArray<ServerInfo.ServerInfo>, RedisError>
    /**
     * The rules that the ACL of our user lacks for what this process sends (Permissions.Needs), as in `+xadd`.
     * - `replicas`: it waits for replicas too (SUBMIT_REPLICAS)
     */
    readonly lackedPermissions: (options: {
      readonly replicas: boolean
    }) => Effect.Effect<ReadonlyArray<string>, RedisError>
    /** Null while Redis answers and accepts writes; else what is wrong. Does no I/O. */
    readonly trouble: () => string | null
  } & KeyScan.KeyScan
>()("@eco2/core/redis/RedisClient") {}

/** Commands that a process can do without: that they are not permitted is no trouble. */
const dispensable = new Set(["info", "hello", "client", "scan", "cluster"])

/** How many slots a master is sending or receiving, as a line like those of INFO; none where CLUSTER NODES is not permitted. */
const openSlotsOf = async (node: StandaloneRedis): Promise<string> => {
  const nodes = await node.cluster("NODES").catch(() => "")
  const own = String(nodes)
    .split("\n")
    .find((line) => line.includes("myself"))
  return own === undefined ? "" : `cluster_open_slots:${own.match(/\[\d+-[<>]-/g)?.length ?? 0}`
}

const make = Effect.fnUntraced(function* (given: RedisSettings.RedisSettings) {
  const { keyPrefix, url } = given
  const keys = new Keys.Names(keyPrefix)
  const needs = yield* Permissions.Needs
  const services = yield* Effect.context<never>()
  const fork = Effect.runForkWith(services)
  let connects = 0
  /** How often each server of a Cluster came, or came back. */
  const nodeConnects = new Map<string, number>()
  let closing = false
  const health = yield* RedisHealth.make(
    Effect.suspend(() => lookAgain),
    (at) => Effect.suspend(() => probe(at))
  )
  /** Keys of probes that no command of ours names. */
  const probedKeys = new Set<string>()
  const watched = {
    // the driver passes every error reply of every connection here
    reconnectOnError: (error: Error) => {
      if (ErrorReply.isDemotion(error)) {
        demoted(error.message)
        return false
      }
      const { key, name } = ErrorReply.commandOf(error)
      const kind = RedisHealth.kindOf(error.message)
      // a key that this user may not name is an answer of the server all the same
      if (kind === "NOPERM" && key !== undefined && probedKeys.has(key)) return false
      // Permissions hears of it
      if (kind === "NOPERM" && ErrorReply.isTrialOfWait(error)) return false
      // a password that is not taken on an open connection leaves it as it was (PasswordRotation)
      if (kind === null || name === "auth" || (kind === "NOPERM" && dispensable.has(name))) return false
      health.refused(kind, error.message, { server: serverOf(key), key })
      if (kind === "NOPERM") fork(sayLacked)
      // a failover changed the server's role: reconnect and send again
      return kind === "READONLY" || kind === "MASTERDOWN" || kind === "LOADING" ? 2 : false
    },
    // such a connection succeeds and is dropped at once, again and again: the longer the refusal lasts, the longer the pause
    retryStrategy: (times: number) =>
      Math.min(Math.max(settings.retryStrategy(times), health.refusingMillis() / 4), mostRetryMillis)
  } satisfies Overrides
  /** The server of a Cluster that has this key; "" where none is known, and where there is one server. */
  const serverOf = (key: string | undefined) =>
    key === undefined || !(shared instanceof Cluster) ? "" : serverName(shared, key)
  /** A connection is lost, or a server refuses it. One server of a Cluster is no connection of the process's. */
  const lost = (connection: string, why: string, server = "") => {
    if (url._tag !== "Cluster" || connection === RedisHealth.commands) return health.connectionLost(connection, why)
    const kind = ErrorReply.isReply(why) ? RedisHealth.kindOf(why) : null
    health.refused(kind ?? "NODE", why, { server })
  }
  /**
   * The server has become a replica: another connection may find its master. On a Cluster its slots have another master, which
   * the driver finds. `words`: how that was noticed.
   */
  const demoted = (words: string) => {
    if (shared instanceof Cluster) return lost("node", words)
    health.refused("READONLY", words)
    shared.disconnect(true)
  }
  const confirmMaster = async () => {
    if (!(shared instanceof Cluster) && (await isReplica(shared))) demoted("READONLY by HELLO it is a replica")
  }
  let sentinels: SentinelWatch.SentinelWatch = { master: () => null }
  /** Closes a reader's connection, so that its next read opens another. */
  const drops = new Set<() => void>()
  const shared = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const turned: Connector.Turned = (words) => lost(RedisHealth.commands, words)
      const connection = connect(given, {
        ...watched,
        connectionName: "eco2",
        Connector:
          url._tag === "Sentinel"
            ? Connector.bySentinel(turned, () => sentinels.master())
            : Connector.direct(url._tag === "Cluster" ? (words, server) => lost("node", words, server) : turned)
      })
      connection.on("error", (error: Error) =>
        lost(
          RedisHealth.commands,
          connection instanceof Cluster
            ? (ErrorReply.lastOfCluster(error) ?? error.message)
            : NamedDatabase.reasonOf(connection, error)
        )
      )
      connection.on("node error", (error: Error, server: string) => lost("node", error.message, server))
      connection.on("close", () => {
        if (!closing && health.refusingMillis() === 0) lost(RedisHealth.commands, "Redis closed the connection")
      })
      connection.on("ready", () => {
        if (connects++ > 0) fork(Effect.ignore(lookAgain))
        void confirmMaster()
        health.connectionUp(RedisHealth.commands)
      })
      if (connection instanceof Cluster) {
        boundQueue(connection)
        // the driver makes a new node for a server that was away
        connection.on("+node", (node: StandaloneRedis) =>
          nodeConnects.set(nameOf(node), (nodeConnects.get(nameOf(node)) ?? 0) + 1)
        )
      }
      return connection
    }),
    (connection) =>
      Effect.sync(() => {
        closing = true
        connection.disconnect()
      })
  )

  yield* PasswordRotation.watch(shared, given.credentials)
  if (!(shared instanceof Cluster)) {
    if (url.db !== 0) yield* NamedDatabase.confirm(shared)
    sentinels = yield* SentinelWatch.make(shared, (to) => {
      lost(RedisHealth.commands, `the master is now ${to.host}:${to.port}`)
      // not closed in order: the old master may be out of reach
      shared.stream?.destroy()
      for (const drop of drops) drop()
    })
  }

  const ask = async (node: StandaloneRedis): Promise<ServerInfo.ServerInfo> => {
    const texts = await Promise.all([
      node.info(),
      ...(shared instanceof Cluster ? [node.cluster("INFO"), openSlotsOf(node)] : [])
    ])
    return ServerInfo.parse(`${node.stream.remoteAddress}:${node.stream.remotePort}`, texts.join("\r\n"))
  }
  const askAll = async (): Promise<RedisHealth.Look> => {
    const answers = await Promise.allSettled((await mastersOf(shared)).map(ask))
    const heard = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []))
    if (heard.length === 0) throw answers.find((answer) => answer.status === "rejected")?.reason
    return { heard, silent: answers.length - heard.length }
  }
  const look = Effect.suspend(() => fromPromise("INFO", askAll))
  let objected = ""
  /** Checks again after a reconnect or a refusal, because another server may answer now. Logs each finding once. */
  const lookAgain = Effect.tap(look, ({ heard }) => {
    const objections = heard.flatMap(ServerInfo.objections)
    if (objections.length === 0 || objections.join() === objected) return Effect.void
    objected = objections.join()
    return Effect.logWarning("redis does not meet the requirements").pipe(Effect.annotateLogs({ objections }))
  })

  /**
   * A write that changes nothing, sent while Redis refuses commands. A key of another type is an answer too. A server that has
   * no slots any more refuses nothing.
   */
  const probe = ({ key, server }: RedisHealth.Place) => {
    const named = key ?? (shared instanceof Cluster && server !== "" ? keyAt(shared, server, keys.prefix) : keys.meta)
    if (named === null) return Effect.void
    if (key === undefined && named !== keys.meta) probedKeys.add(named)
    return fromPromise("XACK", () => shared.call("XACK", named, "probe", "0-0")).pipe(
      Effect.catchIf(
        (error) => probedKeys.has(named) && error._tag === "RedisRefused" && error.code === "NOPERM",
        () => Effect.void
      ),
      counted,
      Effect.asVoid
    )
  }

  /** The driver gave up; or this is a server of a Cluster, and the URL does not say so. A Cluster's readers follow by themselves. */
  const isFollowedInVain = (code: string) =>
    code === "TRYAGAIN" || (RedisHealth.isFollowed(code) && url._tag !== "Cluster")
  /**
   * The error with Redis's own words where the driver has only its own, such as that it gave up. What RedisHealth has logged
   * is not logged again by whoever meets the error.
   */
  const explained = (error: RedisError): RedisError => {
    const loss = health.lossOf()
    const silent = isSentAround(error) ? health.silenceOf() : null
    const told =
      silent !== null
        ? new RedisUnavailable({ command: error.command, cause: new Error(silent) })
        : loss === null || error._tag !== "RedisUnavailable" || !ErrorReply.isDriversOwn(error.cause)
          ? error
          : loss.isRefusal
            ? new RedisRefused({ command: error.command, code: codeOf(loss.why), reply: loss.why })
            : new RedisUnavailable({ command: error.command, cause: new Error(loss.why) })
    if (told._tag === "RedisRefused" && isFollowedInVain(told.code)) health.refused(told.code, told.reply)
    if (health.isTroubled()) OutageLog.alreadyLogged(told)
    return told
  }
  const counted = <A>(effect: Effect.Effect<A, RedisError>) =>
    Effect.andThen(Metric.update(redisCommands, 1), Effect.mapError(effect, explained))
  const send = (command: string, ...args: ReadonlyArray<Argument>) =>
    counted(
      fromPromise(command, () => {
        cork(shared)
        return shared.call(command, ...args)
      })
    )

  const known = new Set<string>()
  const invoke = (
    script: Script.Script<unknown>,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<Argument>
  ): Promise<unknown> => {
    const declared = shared instanceof Cluster ? Script.declaredOnCluster(script, keys) : keys
    if (!known.has(script.name)) {
      shared.defineCommand(script.name, { lua: script.lua, numberOfKeys: declared.length })
      known.add(script.name)
    }
    cork(shared)
    const command: unknown = Reflect.get(shared, script.name)
    return typeof command === "function"
      ? command.apply(shared, [...declared, ...args])
      : Promise.reject(new Error(`script ${script.name} is not defined`))
  }

  const run: RedisClient["Service"]["run"] = (script, keys, args, options) =>
    Effect.flatMap(
      counted(fromPromise(script.name, () => invoke(script, keys, args), options?.quick === true ? quick : usual)),
      script.decode
    )
  const tryWait = Effect.suspend(() =>
    counted(
      fromPromise("WAIT", async () => Promise.all((await mastersOf(shared)).map((node) => node.call("WAIT", "0", "1"))))
    )
  )
  /** Whether replicas are waited for here. */
  let replicates = false
  const lackedPermissions: RedisClient["Service"]["lackedPermissions"] = ({ replicas }) =>
    Effect.suspend(() =>
      Effect.zipWith(
        Permissions.missing({ keys, run }, needs),
        replicas ? Permissions.missingWait(tryWait) : Effect.succeed([]),
        (rules, more) => [...rules, ...more]
      )
    )
  let unblocks = true
  const cannotUnblock = (reply: string) => {
    if (!unblocks) return
    unblocks = false
    fork(
      Effect.logWarning("redis does not permit CLIENT UNBLOCK; blocking reads are shorter while slots are taken").pipe(
        Effect.annotateLogs({ error: reply })
      )
    )
  }
  let saying = false
  let said = ""
  /** After a refusal for want of a permission: which are wanting, all at once. Logged once for each list. */
  const sayLacked = Effect.suspend(() => {
    if (saying) return Effect.void
    saying = true
    return lackedPermissions({ replicas: replicates }).pipe(
      Effect.flatMap((rules) => {
        if (rules.length === 0 || rules.join() === said) return Effect.void
        said = rules.join()
        return Effect.logError("redis does not permit what processes need").pipe(Effect.annotateLogs({ lacked: rules }))
      }),
      // the refusal itself has been logged
      Effect.ignore,
      Effect.ensuring(
        Effect.sync(() => {
          saying = false
        })
      )
    )
  })

  return RedisClient.of({
    topology: url._tag,
    keys,
    send,
    getBuffer: (key) => counted(fromPromise("GET", () => shared.getBuffer(key))),
    run,
    lackedPermissions,
    late: (command, why) => explained(new RedisUnavailable({ command, cause: new Error(why) })),
    reader: (routingKey) =>
      BlockingReader.make(
        {
          settings: given,
          shared,
          watched,
          health,
          counted,
          lost,
          demoted,
          drops,
          cannotUnblock,
          master: () => sentinels.master()
        },
        routingKey
      ),
    replicated: (replicas) =>
      Effect.suspend(() => {
        replicates = true
        return ReplicatedWrites.make(
          { settings: given, shared, watched, health, counted, lost, drops, master: () => sentinels.master() },
          replicas
        )
      }),
    servers: Effect.map(counted(look), ({ heard }) => heard),
    trouble: health.unready,
    home: (key) => {
      if (!(shared instanceof Cluster)) return String(connects)
      const node = nodeOf(shared, key)
      return node === undefined ? "" : `${nameOf(node)} ${nodeConnects.get(nameOf(node)) ?? 0}`
    },
    reconnects: () => Math.max(0, connects - 1),
    ...KeyScan.make(shared, counted)
  })
})

/** From a given URL: for tests and `npm start`, which start their own server. */
export const layerUrl = (
  url: string,
  others: Partial<Omit<RedisSettings.RedisSettings, "url">> = {}
): Layer.Layer<RedisClient, RedisUrl.RedisUrlInvalid> =>
  Layer.effect(
    RedisClient,
    Effect.flatMap(RedisUrl.parse(url), (parsed) => make({ ...RedisSettings.ofUrl(parsed), ...others }))
  )

/** From the settings of Redis. */
export const layer: Layer.Layer<RedisClient, RedisUrl.RedisUrlInvalid | Config.ConfigError> = Layer.effect(
  RedisClient,
  Effect.flatMap(RedisSettings.fromSettings, make)
)

/** Decodes a reply; a mismatch is RedisReplyInvalid. */
export const decodeReply = <A>(command: string, schema: Schema.ConstraintDecoder<A>) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (reply: unknown): Effect.Effect<A, RedisReplyInvalid> =>
    Effect.mapError(decode(reply), (issue) => new RedisReplyInvalid({ command, reason: String(issue) }))
}
