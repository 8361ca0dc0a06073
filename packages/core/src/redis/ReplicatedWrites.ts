/**
 * ReplicatedWrites: runs scripts whose writes count only once replicas have them (WAIT). WAIT blocks the connection it is sent
 * on, so these scripts have a connection of their own; on a Cluster one for each master. It sends in rounds: all calls that came
 * during the last round go together, and one WAIT follows when they are answered, so that a round costs two round trips however
 * many calls it has.
 * WAIT confirms what was done before it on the same connection, reads included (a repeated submit is confirmed too). So a
 * connection is never restored: after any failure it is dropped, everything in its round fails as unknown, and the next round
 * opens another.
 */
import { Redis as StandaloneRedis, Cluster } from "ioredis"
import { Effect } from "effect"
import type { Scope } from "effect"
import { setTimeout as delay } from "node:timers/promises"
import { fromPromise } from "./Command.ts"
import type { Argument } from "./Command.ts"
import { connect, cork, nodeOf, silenceMillis } from "./Connection.ts"
import type { Connection, Overrides } from "./Connection.ts"
import * as Connector from "./Connector.ts"
import * as NamedDatabase from "./NamedDatabase.ts"
import type { RedisError } from "./RedisError.ts"
import type * as RedisSettings from "./RedisSettings.ts"
import type * as RedisUrl from "./RedisUrl.ts"
import type { RedisHealth } from "./RedisHealth.ts"
import * as Script from "./Script.ts"

/** What these connections share with the process's other connections. */
interface Home {
  readonly settings: RedisSettings.RedisSettings
  readonly shared: Connection
  readonly watched: Overrides
  readonly health: RedisHealth
  readonly counted: <A>(effect: Effect.Effect<A, RedisError>) => Effect.Effect<A, RedisError>
  readonly lost: (connection: string, why: string, server?: string) => void
  /** Each closes a connection, when the master is another. */
  readonly drops: Set<() => void>
  readonly master: () => Connector.Address | null
}

export interface Replicated<A> {
  readonly reply: A
  /** Replicas that have everything up to this reply; fewer than wanted if they did not confirm in time. */
  readonly replicas: number
}

export interface ReplicatedWrites {
  /** `keys`: at least one; all in one slot. RedisUnavailable: unknown, as ever. */
  readonly run: <A>(
    script: Script.Script<A>,
    keys: readonly [string, ...ReadonlyArray<string>],
    args: ReadonlyArray<Argument>
  ) => Effect.Effect<Replicated<A>, RedisError>
}

/** How long replicas may take to confirm a round. */
export const confirmMillis = 1_000

interface Call {
  readonly script: Script.Script<unknown>
  readonly keys: ReadonlyArray<string>
  readonly args: ReadonlyArray<Argument>
  readonly settle: (answer: Promise<Replicated<unknown>>) => void
}

/** One master's connection and the calls that wait for its next round. */
class Line {
  #waiting: Array<Call> = []
  #underWay = false
  #connection: StandaloneRedis | undefined
  readonly #known = new Set<string>()
  readonly #open: () => StandaloneRedis
  readonly #wanted: number
  constructor(open: () => StandaloneRedis, wanted: number) {
    this.#open = open
    this.#wanted = wanted
  }
  send(call: Omit<Call, "settle">): Promise<Replicated<unknown>> {
    return new Promise((resolve) => {
      this.#waiting.push({ ...call, settle: resolve })
      if (this.#underWay) return
      this.#underWay = true
      // calls for other partitions come in the same tick
      setImmediate(() => void this.#rounds())
    })
  }
  drop() {
    this.#connection?.disconnect()
    this.#connection = undefined
    this.#known.clear()
  }
  async #rounds() {
    while (this.#waiting.length > 0) {
      const calls = this.#waiting
      this.#waiting = []
      await this.#round(calls)
    }
    this.#underWay = false
  }
  async #round(calls: ReadonlyArray<Call>) {
    // a round that does not end would hold up all later ones
    const late = setTimeout(() => this.drop(), silenceMillis + confirmMillis)
    try {
      const connection = await this.#connected()
      cork(connection)
      const replies = await Promise.allSettled(calls.map((call) => this.#invoke(connection, call)))
      const replicas = Number(await connection.call("WAIT", this.#wanted, confirmMillis))
      for (const [i, { settle }] of calls.entries()) {
        const reply = replies[i]!
        settle(
          reply.status === "fulfilled"
            ? Promise.resolve({ reply: reply.value, replicas })
            : Promise.reject(reply.reason instanceof Error ? reply.reason : new Error(String(reply.reason)))
        )
      }
      // this server may have become a replica, or the slot may have moved: the next round looks where the master is
      if (replies.some(({ status }) => status === "rejected")) this.drop()
    } catch (cause) {
      this.drop()
      // also a WAIT that a change of roles ended (UNBLOCKED): the writes before it may be there or not
      const why = new Error(`replicas could not be asked: ${cause instanceof Error ? cause.message : String(cause)}`)
      for (const { settle } of calls) settle(Promise.reject(why))
    } finally {
      clearTimeout(late)
    }
  }
  async #connected(): Promise<StandaloneRedis> {
    if (this.#connection !== undefined) return this.#connection
    const connection = this.#open()
    this.#connection = connection
    await connection.connect()
    return connection
  }
  #invoke(connection: StandaloneRedis, { args, keys, script }: Call): Promise<unknown> {
    if (!this.#known.has(script.name)) {
      connection.defineCommand(script.name, { lua: script.lua, numberOfKeys: keys.length })
      this.#known.add(script.name)
    }
    const command: unknown = Reflect.get(connection, script.name)
    return typeof command === "function"
      ? command.apply(connection, [...keys, ...args])
      : Promise.reject(new Error(`script ${script.name} is not defined`))
  }
}

/** The call's slot has moved, or is moving. */
const slotMoves = /^(MOVED|ASK|TRYAGAIN) /
const movingPause = 100
/** Five seconds. */
const mostTries = 50

/** Numbers the connections, for their names in RedisHealth. */
let connections = 0

/** Closes with the scope. `replicas`: how many must confirm, at least 1. */
export const make = (home: Home, replicas: number): Effect.Effect<ReplicatedWrites, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { counted, drops, health, lost, master, settings, shared, watched } = home
    const lines = new Map<string, Line>()

    /** - `server`: that of a Cluster, `host:port` */
    const open = (at: RedisUrl.RedisUrl, server: string) => () => {
      const name = `replicated writes ${connections++}`
      const turned: Connector.Turned = (words) => lost(name, words, server)
      // a password that changed is read again before each connection
      settings.credentials.refresh()
      const connection = connect(
        { ...settings, url: at },
        {
          ...watched,
          Connector: at._tag === "Sentinel" ? Connector.bySentinel(turned, master) : Connector.direct(turned),
          // a role that changed is found by the next round's connection
          reconnectOnError: (error: Error) => {
            watched.reconnectOnError?.(error)
            return false
          },
          maxRetriesPerRequest: 0,
          autoResendUnfulfilledCommands: false,
          retryStrategy: () => null,
          sentinelRetryStrategy: () => null,
          connectionName: "eco2-replicated",
          lazyConnect: true
        }
      )
      if (connection instanceof Cluster) throw new Error("replicated writes go to one server")
      connection.on("error", (error: Error) => lost(name, NamedDatabase.reasonOf(connection, error), server))
      connection.on("ready", () => health.connectionUp(name))
      connection.on("end", () => health.connectionUp(name))
      return connection
    }
    const lineOf = (key: string): Line => {
      let at = settings.url
      let name = ""
      if (shared instanceof Cluster) {
        const node = nodeOf(shared, key)
        if (node === undefined) throw new Error(`no master of the Cluster serves ${key} now`)
        const { host = "127.0.0.1", port = 6379 } = node.options
        name = `${host}:${port}`
        at = { ...settings.url, _tag: "Standalone", endpoint: { host, port }, db: 0 }
      }
      const known = lines.get(name)
      if (known !== undefined) return known
      const line = new Line(open(at, name), replicas)
      lines.set(name, line)
      return line
    }
    const drop = () => {
      for (const line of lines.values()) line.drop()
    }
    drops.add(drop)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        drops.delete(drop)
        drop()
      })
    )
    /** While a slot moves, the call is repeated at its next master. */
    const send = async (key: string, call: Omit<Call, "settle">) => {
      for (let tries = 1; ; tries++) {
        try {
          return await lineOf(key).send(call)
        } catch (error) {
          const moves = error instanceof Error && slotMoves.test(error.message)
          if (!(shared instanceof Cluster) || !moves || tries === mostTries) throw error
          await delay(movingPause)
          // the driver learns the slot's new master from the answer to a command of its own
          await shared.exists(key)
        }
      }
    }
    return {
      run: (script, keys, args) => {
        const declared = shared instanceof Cluster ? Script.declaredOnCluster(script, keys) : keys
        return counted(fromPromise(script.name, () => send(keys[0], { script, keys: declared, args }))).pipe(
          Effect.flatMap(({ replicas, reply }) =>
            Effect.map(script.decode(reply), (decoded) => ({ reply: decoded, replicas }))
          )
        )
      }
    }
  })
