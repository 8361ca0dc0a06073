/**
 * RedisClient: the process's connections to Redis; the URL chooses standalone, Sentinel or Cluster. Only this folder imports
 * the driver.
 *   - one shared command connection: commands of one tick leave in one write (docs/decisions/0005)
 *   - `replicated`: connections for scripts that wait for replicas (ReplicatedWrites)
 *   - `reader`: a dedicated connection for blocking reads, replaced when it falls silent (A4)
 * It reports broken connections and error replies to RedisHealth, which logs them once. Errors are typed by what the caller
 * may do (RedisError) and say why (ErrorExplanation). The driver sends commands in flight again when a connection is lost, so
 * every script may run twice. Parts: ServerLook, ScriptCall, ErrorExplanation.
 */
import { Cluster } from "ioredis"
import type { Redis as StandaloneRedis } from "ioredis"
import { Cause, Config, Context, Effect, Exit, Layer, Metric, Schema } from "effect"
import type { Scope } from "effect"
import { redisCommands } from "../telemetry/Metrics.ts"
import * as BlockingReader from "./BlockingReader.ts"
import * as Command from "./Command.ts"
import { fromPromise, quick, usual } from "./Command.ts"
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
import * as ErrorExplanation from "./ErrorExplanation.ts"
import * as ErrorReply from "./ErrorReply.ts"
import * as Keys from "./Keys.ts"
import * as NamedDatabase from "./NamedDatabase.ts"
import * as PasswordRotation from "./PasswordRotation.ts"
import { RedisReplyInvalid, RedisUnavailable } from "./RedisError.ts"
import type { RedisError } from "./RedisError.ts"
import * as Permissions from "./Permissions.ts"
import * as RedisSettings from "./RedisSettings.ts"
import * as RedisUrl from "./RedisUrl.ts"
import * as ReplicatedWrites from "./ReplicatedWrites.ts"
import type * as Script from "./Script.ts"
import * as ScriptCall from "./ScriptCall.ts"
import * as SentinelWatch from "./SentinelWatch.ts"
import type * as ServerInfo from "./ServerInfo.ts"
import * as ServerLook from "./ServerLook.ts"
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
    /** The same without an effect, for hot paths. `answered` is called once, and must not throw. */
    readonly call: <A>(
      script: Script.Script<A>,
      keys: ReadonlyArray<string>,
      args: ReadonlyArray<Argument>,
      answered: (exit: Exit.Exit<A, RedisError>) => void,
      options?: { readonly quick: boolean }
    ) => void
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

  const { look, lookAgain } = ServerLook.make(shared)

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

  const explained = ErrorExplanation.make(url, health)
  const counted = <A>(effect: Effect.Effect<A, RedisError>) =>
    Effect.andThen(Metric.update(redisCommands, 1), Effect.mapError(effect, explained))
  const send = (command: string, ...args: ReadonlyArray<Argument>) =>
    counted(
      fromPromise(command, () => {
        cork(shared)
        return shared.call(command, ...args)
      })
    )

  const invoke = ScriptCall.make(shared)
  const call: RedisClient["Service"]["call"] = (script, keys, args, answered, options) => {
    redisCommands.updateUnsafe(1, services)
    Command.call(
      script.name,
      () => invoke(script, keys, args),
      (exit) =>
        answered(
          Command.decoded(() =>
            Exit.isSuccess(exit) ? script.decode(exit.value) : Exit.failCause(Cause.map(exit.cause, explained))
          )
        ),
      options?.quick === true ? quick : usual
    )
  }
  const run: RedisClient["Service"]["run"] = (script, keys, args, options) =>
    Effect.callback((resume) => call(script, keys, args, resume, options))
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
    call,
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
