/**
 * BlockingReader: a dedicated connection for blocking reads, opened at the first read and replaced when it falls silent (A4).
 * On a Cluster it connects to the master that holds its key, by the shared connection's slot map, and follows a slot that moves to
 * another master: that is no failure, and not logged.
 */
import { Redis as StandaloneRedis, Cluster } from "ioredis"
import { Cause, Duration, Effect } from "effect"
import type { Scope } from "effect"
import { setTimeout as delay } from "node:timers/promises"
import * as CauseText from "../telemetry/CauseText.ts"
import { fromPromise, toRedisError } from "./Command.ts"
import type { Argument } from "./Command.ts"
import { connect, isReplica, nodeOf, silenceMillis } from "./Connection.ts"
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
  readonly lost: (connection: string, why: string) => void
  readonly demoted: (words: string) => void
  /** Each closes a reader's connection, when the master is another. */
  readonly drops: Set<() => void>
  readonly master: () => Connector.Address | null
}

/** A connection for blocking reads. */
export interface BlockingReader {
  /**
   * Sends one blocking command; null when it timed out empty, was unblocked, or its keys are on their way to another master.
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

const openSocket = (home: Home, routingKey: string, name: string): StandaloneRedis => {
  const { shared, health, lost, master, settings, watched } = home
  const turned: Connector.Turned = (words) => lost(name, words)
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
  socket.on("error", (error: Error) => lost(name, NamedDatabase.reasonOf(socket, error)))
  socket.on("ready", () => health.connectionUp(name))
  socket.on("reconnecting", () => {
    const password = settings.credentials.password()
    if (password !== undefined) socket.options.password = password
  })
  return socket
}

/** MOVED: its slot has moved. The others: its slot is moving, and its keys are not, or not all, on this master. */
const slotMoves = /^(MOVED|ASK|TRYAGAIN|UNBLOCKED) /
const movingPause = 100

/** Numbers the readers, for their names in RedisHealth. */
let readers = 0

/** Closes with the scope. `routingKey`: any key of the slot it reads. */
export const make = (home: Home, routingKey: string): Effect.Effect<BlockingReader, never, Scope.Scope> =>
  Effect.gen(function* () {
    let current: { readonly connection: StandaloneRedis; id: number | undefined; password: string } | undefined
    let reading = false
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
    const open = Effect.tryPromise({
      try: async () => {
        if (current !== undefined) {
          const { connection } = current
          if (current.password !== password()) {
            current.password = password()
            await connection.call("AUTH", ...authWords(credentials))
          }
          return { connection, isDemoted: false }
        }
        credentials.refresh()
        const connection = openSocket(home, routingKey, name)
        current = { connection, id: undefined, password: password() }
        await connection.connect()
        const [id, isDemoted] = await Promise.all([
          connection.call("CLIENT", "ID"),
          !(shared instanceof Cluster) && isReplica(connection)
        ])
        current.id = Number(id)
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
    const read = (blockMillis: number, command: string, ...args: ReadonlyArray<Argument>) =>
      counted(
        open.pipe(
          Effect.flatMap(({ connection }) => {
            reading = true
            const answer = () => connection.call(command, ...args)
            return fromPromise(command, shared instanceof Cluster ? () => answer().catch(follow) : answer, null)
          }),
          Effect.timeoutOrElse({
            duration: Duration.millis(blockMillis + silenceMillis),
            orElse: () => Effect.fail(new RedisUnavailable({ command, cause: new Error("the reader fell silent") }))
          }),
          Effect.onExit((exit) =>
            Effect.sync(() => {
              reading = false
              if (exit._tag === "Success") return
              drop()
              // logged here, once, and not by every reader that it stops
              const error = Cause.findErrorOption(exit.cause)
              // during a refusal the connection is closed on purpose, to find a server that does not refuse
              if (error._tag === "Some" && error.value._tag === "RedisUnavailable" && health.refusingMillis() === 0)
                lost(
                  name,
                  ErrorReply.isDriversOwn(error.value.cause)
                    ? "Redis closed the connection"
                    : CauseText.of(error.value.cause)
                )
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
        : // a failure is harmless: the read then ends by its own timeout
          Effect.ignore(counted(fromPromise("CLIENT UNBLOCK", () => target.call("CLIENT", "UNBLOCK", id))))
    })
    return { read, unblock }
  })
