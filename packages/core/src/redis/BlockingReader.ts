/**
 * BlockingReader: a dedicated connection for blocking reads, opened at the first read and replaced when it falls silent (A4).
 * On a Cluster it connects to the master that holds its key, by the shared connection's slot map, and follows a slot that moves to
 * another master: that is no failure, and not logged.
 */
import { Redis as StandaloneRedis, Cluster } from "ioredis"
import { Cause, Duration, Effect } from "effect"
import type { Exit, Scope } from "effect"
import { setTimeout as delay } from "node:timers/promises"
import * as DueTimer from "../clock/DueTimer.ts"
import * as CauseText from "../telemetry/CauseText.ts"
import { call, fromPromise, toRedisError } from "./Command.ts"
import type { Argument } from "./Command.ts"
import { connect, isReplica, nodeOf, serverName, silenceMillis } from "./Connection.ts"
import type { Connection, Overrides } from "./Connection.ts"
import * as Connector from "./Connector.ts"
import * as ErrorReply from "./ErrorReply.ts"
import * as NamedDatabase from "./NamedDatabase.ts"
import { authWords } from "./PasswordRotation.ts"
import { RedisRefused, RedisUnavailable } from "./RedisError.ts"
import type { RedisError } from "./RedisError.ts"
import type { RedisHealth } from "./RedisHealth.ts"
import type { RedisSettings } from "./RedisSettings.ts"

/** What a reader shares with the process's other connections. */
interface Home {
  readonly settings: RedisSettings
  readonly shared: Connection
  readonly watched: Overrides
  readonly health: RedisHealth
  readonly counted: <A>(effect: Effect.Effect<A, RedisError>) => Effect.Effect<A, RedisError>
  readonly lost: (connection: string, why: string, server?: string) => void
  readonly demoted: (words: string) => void
  /** Each closes a reader's connection, when the master is another. */
  readonly drops: Set<() => void>
  readonly master: () => Connector.Address | null
  /** CLIENT UNBLOCK is not permitted; `reply`: Redis's words. */
  readonly cannotUnblock: (reply: string) => void
}

/** A connection for blocking reads. */
export interface BlockingReader {
  /**
   * Sends one blocking command; null when it timed out empty, was unblocked, or its keys are on their way to another master.
   * A reader silent for `blockMillis` + 5 s, or without a connection for as long, fails with RedisUnavailable and is replaced by a
   * new connection.
   */
  readonly read: (
    blockMillis: number,
    command: string,
    ...args: ReadonlyArray<Argument>
  ) => Effect.Effect<unknown, RedisError>
  /**
   * Ends the running read early, at once. Does nothing when none is running. Where Redis does not permit it (`ends` false), a
   * read that would last longer than a second is ended by closing its connection, and a shorter one ends by itself.
   */
  readonly unblock: Effect.Effect<void>
  /** Whether Redis lets us end a read early (CLIENT UNBLOCK). The first time it opens the connection; true if it cannot. */
  readonly ends: Effect.Effect<boolean>
}

const openSocket = (home: Home, routingKey: string, name: string): StandaloneRedis => {
  const { shared, health, lost, master, settings, watched } = home
  const server = shared instanceof Cluster ? serverName(shared, routingKey) : ""
  const turned: Connector.Turned = (words) => lost(name, words, server)
  const overrides = {
    ...watched,
    Connector: settings.url._tag === "Sentinel" ? Connector.bySentinel(turned, master) : Connector.direct(turned),
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
    const url = { ...settings.url, _tag: "Standalone", endpoint: { host, port }, db: 0 } as const
    connection = connect({ ...settings, url }, overrides)
  } else {
    connection = connect(settings, overrides)
  }
  if (connection instanceof Cluster) throw new Error("a reader is one socket")
  const socket = connection
  socket.on("error", (error: Error) => lost(name, NamedDatabase.reasonOf(socket, error), server))
  socket.on("ready", () => health.connectionUp(name))
  socket.on("reconnecting", () => {
    settings.credentials.refresh()
    const password = settings.credentials.password()
    if (password !== undefined) socket.options.password = password
  })
  return socket
}

/** MOVED: its slot has moved. The others: its slot is moving, and its keys are not, or not all, on this master. */
const slotMoves = /^(MOVED|ASK|TRYAGAIN|UNBLOCKED) /
const movingPause = 100
/** A read this short is left to end by itself. */
const shortMillis = 1_000

/** Numbers the readers, for their names in RedisHealth. */
let readers = 0

interface Reader {
  readonly connection: StandaloneRedis
  id: number | null
  /** As which it is logged in. */
  password: string
}

/** Closes with the scope. `routingKey`: any key of the slot it reads. */
export const make = (home: Home, routingKey: string): Effect.Effect<BlockingReader, never, Scope.Scope> =>
  Effect.gen(function* () {
    let current: Reader | undefined
    let reading = false
    /** Ends the running read before it is sent; null once it is. */
    let recall: (() => void) | null = null
    /** How long the running read blocks, and whether it is being ended by closing its connection. */
    let blocking = 0
    let isCut = false
    /** Whether a read can be ended; null until a connection was open. */
    let isEndable: boolean | null = null
    const name = `reader ${readers++}`
    const { counted, drops, shared, health, lost } = home
    const { credentials } = home.settings
    const password = () => credentials.password() ?? ""
    const drop = () => {
      current?.connection.disconnect()
      current = undefined
    }
    drops.add(drop)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        drops.delete(drop)
        drop()
        health.connectionUp(name)
      })
    )
    /** The id to unblock it by; null where that is not permitted. Tried at once, for nothing is blocked yet. */
    const unblockable = async (connection: StandaloneRedis): Promise<number | null> => {
      try {
        const id = Number(await connection.call("CLIENT", "ID"))
        await connection.call("CLIENT", "UNBLOCK", id)
        return id
      } catch (error) {
        if (!(error instanceof Error && ErrorReply.isReply(error.message))) throw error
        home.cannotUnblock(error.message)
        return null
      }
    }
    /** Presents a changed password. One that Redis refuses leaves the connection as it was, and is presented before each read. */
    const renew = async (reader: Reader) => {
      const now = password()
      if (reader.password === now) return
      try {
        await reader.connection.call("AUTH", ...authWords(credentials))
        reader.password = now
      } catch (error) {
        if (!(error instanceof Error && ErrorReply.isReply(error.message))) throw error
      }
    }
    const open = Effect.tryPromise({
      try: async () => {
        if (current !== undefined) {
          await renew(current)
          return { connection: current.connection, isDemoted: false }
        }
        credentials.refresh()
        const connection = openSocket(home, routingKey, name)
        current = { connection, id: null, password: password() }
        await connection.connect()
        const [id, isDemoted] = await Promise.all([
          unblockable(connection),
          !(shared instanceof Cluster) && isReplica(connection)
        ])
        current.id = id
        isEndable = id !== null
        return { connection, isDemoted }
      },
      catch: (cause) => toRedisError("CLIENT ID", cause)
    }).pipe(Effect.tap(({ isDemoted }) => (isDemoted ? Effect.fail(onReplica()) : Effect.void)))
    /** What it reads there would be old: the entries that the master gets do not arrive, or late. */
    const onReplica = () => {
      const reply = "READONLY by HELLO it is a replica"
      home.demoted(reply)
      return new RedisRefused({ command: "HELLO", code: "READONLY", reply })
    }
    /** Ends a read whose slot moves, after a moment; the next read goes to the slot's master. */
    const follow = async (error: unknown): Promise<null> => {
      const [, reply] = (error instanceof Error && slotMoves.exec(error.message)) || []
      if (reply === undefined) throw error
      if (reply === "MOVED") drop()
      else await delay(movingPause)
      // the driver learns the slot's new master from the answer to a command of its own
      await shared.exists(routingKey)
      return null
    }
    /** The running read fails then; one timer for all reads. */
    let silentAt = Infinity
    let fallSilent = () => {}
    const silence = DueTimer.make((now) => {
      if (now < silentAt) return silentAt
      silentAt = Infinity
      fallSilent()
      return Infinity
    })
    yield* Effect.addFinalizer(() => Effect.sync(silence.stop))
    const silent = (command: string) => new RedisUnavailable({ command, cause: new Error("the reader fell silent") })
    /** Usually the connection is open, and nobody has to wait for it. */
    const connected = (command: string, blockMillis: number) =>
      Effect.suspend(() =>
        current !== undefined && current.password === password()
          ? Effect.succeed(current.connection)
          : open.pipe(
              Effect.map(({ connection }) => connection),
              Effect.timeoutOrElse({
                duration: Duration.millis(blockMillis + silenceMillis),
                orElse: () => Effect.fail(silent(command))
              })
            )
      )
    const answerOf = (command: string, args: ReadonlyArray<Argument>, blockMillis: number, on: StandaloneRedis) =>
      Effect.callback<unknown, RedisError>((resume) => {
        reading = true
        blocking = blockMillis
        silentAt = performance.now() + blockMillis + silenceMillis
        fallSilent = () => resume(Effect.fail(silent(command)))
        silence.at(silentAt)
        const send = () => on.call(command, ...args)
        // behind the writes of this tick (Connection.cork, TickBatch), which Redis would otherwise serve after the read
        const turn = setImmediate(() => {
          recall = null
          call(command, shared instanceof Cluster ? () => send().catch(follow) : send, resume, null)
        })
        recall = () => {
          clearImmediate(turn)
          resume(Effect.succeed(null))
        }
        return Effect.sync(() => clearImmediate(turn))
      })
    const ended = (exit: Exit.Exit<unknown, RedisError>) => {
      reading = false
      recall = null
      silentAt = Infinity
      if (exit._tag === "Success") return
      drop()
      // logged here, once, and not by every reader that it stops
      const error = Cause.findErrorOption(exit.cause)
      // during a refusal the connection is closed on purpose, to find a server that does not refuse
      if (error._tag === "Some" && error.value._tag === "RedisUnavailable" && health.refusingMillis() === 0)
        lost(
          name,
          ErrorReply.isDriversOwn(error.value.cause) ? "Redis closed the connection" : CauseText.of(error.value.cause)
        )
    }
    const read = (blockMillis: number, command: string, ...args: ReadonlyArray<Argument>) =>
      counted(
        Effect.suspend(() => {
          isCut = false
          return connected(command, blockMillis)
        }).pipe(
          Effect.flatMap((connection) => answerOf(command, args, blockMillis, connection)),
          Effect.catch((error) => (isCut ? Effect.succeed(null) : Effect.fail(error))),
          Effect.onExit((exit) => Effect.sync(() => ended(exit)))
        )
      )
    const unblock = Effect.suspend(() => {
      if (current === undefined || !reading) return Effect.void
      if (recall !== null) {
        recall()
        return Effect.void
      }
      const { id } = current
      if (id === null) {
        if (blocking <= shortMillis) return Effect.void
        // an entry that Redis hands out at this moment is found by the next beats (A4), as after any lost connection
        return Effect.sync(() => {
          isCut = true
          drop()
        })
      }
      const target = shared instanceof Cluster ? nodeOf(shared, routingKey) : shared
      return target === undefined
        ? Effect.void
        : // a failure is harmless: the read then ends by its own timeout
          Effect.ignore(counted(fromPromise("CLIENT UNBLOCK", () => target.call("CLIENT", "UNBLOCK", id))))
    })
    /** What the last connection said. Until one is open: whoever reads then meets the failure, and reports it. */
    const ends = Effect.suspend(() =>
      isEndable !== null
        ? Effect.succeed(isEndable)
        : open.pipe(
            Effect.as(true),
            Effect.timeoutOrElse({ duration: Duration.millis(silenceMillis), orElse: () => Effect.succeed(false) }),
            Effect.catch(() => Effect.succeed(false)),
            Effect.map((isOpen) => {
              if (!isOpen) drop()
              return isEndable ?? true
            })
          )
    )
    return { read, unblock, ends }
  })
