/**
 * RedisHealth: which commands Redis currently refuses and why, and which connections are broken; logs each change once,
 * however many commands it affects (A4). Readiness reports what lasts. While all is well it sends no command. While Redis
 * refuses commands it checks the servers every second, so that a process that is not ready, and so sends no commands, also
 * learns that the refusal is over.
 * RedisClient reports broken connections and error replies to it. What a failure means to a caller: RedisError.
 */
import { Duration, Effect } from "effect"
import type { Scope } from "effect"
import * as Elapsed from "../clock/Elapsed.ts"
import type { RedisError } from "./RedisError.ts"
import * as ServerInfo from "./ServerInfo.ts"

/** INFO of the servers that answered; `silent`: how many masters of a Cluster did not. */
export interface Look {
  readonly heard: ReadonlyArray<ServerInfo.ServerInfo>
  readonly silent: number
}

/** By the first word of the reply (except `NODE`). `unready`: the answer to readiness probes; null where most work goes on. */
const kinds = {
  OOM: { unready: "Redis is full (maxmemory reached)", lasts: some(ServerInfo.isFull) },
  READONLY: { unready: "Redis is a replica and takes no writes", lasts: some(ServerInfo.isReplica) },
  MASTERDOWN: { unready: "Redis is a replica that has lost its master", lasts: some(ServerInfo.lacksMaster) },
  LOADING: { unready: "Redis is loading its data", lasts: some(ServerInfo.isLoading) },
  CLUSTERDOWN: { unready: "the Redis Cluster is down", lasts: some(ServerInfo.isClusterDown) },
  /** One server of a Cluster does not answer. The process stays ready for users of the other servers. */
  NODE: { unready: null, lasts: ({ silent }: Look) => silent > 0 }
} as const
export type Kind = keyof typeof kinds

function some(is: (info: ServerInfo.ServerInfo) => boolean): (look: Look) => boolean {
  return ({ heard }) => heard.some(is)
}

/** The kind of an error reply, also when a script passes it on; null for any other error. */
export const kindOf = (reply: string): Kind | null => {
  const word = /(?:^|-)(OOM|READONLY|MASTERDOWN|LOADING|CLUSTERDOWN) /.exec(reply)?.[1]
  return word !== undefined && word in kinds ? (word as Kind) : null
}

export interface RedisHealth {
  readonly refused: (kind: Kind, reply: string) => void
  /** This connection broke, or cannot be established. */
  readonly connectionLost: (connection: string, why: string) => void
  /** This connection is up, or was closed on purpose. */
  readonly connectionUp: (connection: string) => void
  /** For how long Redis has refused commands; 0 when it refuses none. */
  readonly refusingMillis: () => number
  /** One clause on what has been wrong for longer than a reconnect takes; null when all is well. */
  readonly unready: () => string | null
}

/** The name of the command connection; without it nothing works. */
export const commands = "commands"

const lookMillis = 1_000
/** A shorter outage does not make a process unready. */
const graceMillis = 2_000
/** A server near its limit refuses now and then; a refusal is over when nothing was refused for this long. */
const settledMillis = 2_000
/** The same where INFO is not permitted: the process then takes work again, and so learns whether the refusal is over. */
const quietMillis = 10_000
/**
 * An outage is logged once for each kind. All socket failures are one kind, because they alternate during one outage; a
 * refused login (WRONGPASS, NOAUTH, …) is a kind of its own.
 */
const kindOfLoss = (why: string): string => /^[A-Z]{5,}(?= )/.exec(why)?.[0] ?? "socket"
/** Kinds logged for one outage, at most. */
const mostSaid = 5

/** `look`: asks all servers; used only while Redis refuses commands. Ends with the scope. */
export const make = Effect.fnUntraced(function* (
  look: Effect.Effect<Look, RedisError>
): Effect.fn.Return<RedisHealth, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const now = yield* Elapsed.clock
  const refusals = new Map<Kind, { readonly since: number; lastAt: number }>()
  const broken = new Map<string, number>()
  const said = new Set<string>()
  let brokenSince = 0
  let watching = false

  const seconds = (since: number) => Math.round((now() - since) / 100) / 10

  const watch = Effect.gen(function* () {
    while (refusals.size > 0) {
      yield* Effect.sleep(Duration.millis(lookMillis))
      const seen = yield* Effect.result(look)
      const at = now()
      for (const [kind, { lastAt, since }] of refusals) {
        const lasts =
          seen._tag === "Success"
            ? at - lastAt < settledMillis || kinds[kind].lasts(seen.success)
            : seen.failure._tag !== "RedisRefused" || at - lastAt < quietMillis
        if (lasts) continue
        refusals.delete(kind)
        yield* Effect.logInfo("redis accepts commands again").pipe(
          Effect.annotateLogs({ kind, seconds: seconds(since) })
        )
      }
    }
    watching = false
  })

  return {
    refused: (kind, reply) => {
      const at = now()
      const known = refusals.get(kind)
      if (known !== undefined) {
        known.lastAt = at
        return
      }
      refusals.set(kind, { since: at, lastAt: at })
      fork(Effect.logWarning("redis refuses commands").pipe(Effect.annotateLogs({ kind, error: reply.slice(0, 200) })))
      if (watching) return
      watching = true
      fork(Effect.forkIn(watch, scope))
    },
    connectionLost: (connection, why) => {
      if (broken.size === 0) brokenSince = now()
      if (!broken.has(connection)) broken.set(connection, now())
      const loss = kindOfLoss(why)
      if (said.has(loss) || said.size >= mostSaid) return
      said.add(loss)
      fork(Effect.logWarning("redis connection failed").pipe(Effect.annotateLogs({ error: why })))
    },
    connectionUp: (connection) => {
      if (!broken.delete(connection) || broken.size > 0) return
      said.clear()
      fork(Effect.logInfo("redis connection restored").pipe(Effect.annotateLogs({ seconds: seconds(brokenSince) })))
    },
    refusingMillis: () => {
      const first = Math.min(...Array.from(refusals.values(), ({ since }) => since))
      // never 0 during a refusal: the connection may close within the millisecond of the first one
      return refusals.size === 0 ? 0 : Math.max(1, now() - first)
    },
    unready: () => {
      const longAgo = now() - graceMillis
      const lostAt = broken.get(commands)
      if (lostAt !== undefined && lostAt <= longAgo) return "Redis does not answer"
      for (const [kind, { since }] of refusals) {
        if (since <= longAgo && kinds[kind].unready !== null) return kinds[kind].unready
      }
      return null
    }
  }
})
