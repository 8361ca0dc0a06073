/**
 * RedisHealth: which commands Redis currently refuses and why, and which connections are broken; logs each change once, in
 * Redis's own words, however many commands it affects (A4). Readiness reports what lasts. While all is well it sends no
 * command. While Redis refuses commands it checks the servers every second, so that a process that is not ready, and so sends
 * no commands, also learns that the refusal is over: by INFO where that tells it, else by a probe, a harmless write, of each
 * server that refused.
 * Every refusal that is not final (RedisError.isFinal) counts, whatever its code; the number of kinds is bounded.
 * RedisClient reports broken connections and error replies to it. What a failure means to a caller: RedisError.
 */
import { Duration, Effect, Result } from "effect"
import type { Scope } from "effect"
import * as Elapsed from "../clock/Elapsed.ts"
import { codeOf, isFinal, isTransient } from "./RedisError.ts"
import type { RedisError } from "./RedisError.ts"
import * as ServerInfo from "./ServerInfo.ts"

/** INFO of the servers that answered; `silent`: how many masters of a Cluster did not. */
export interface Look {
  readonly heard: ReadonlyArray<ServerInfo.ServerInfo>
  readonly silent: number
}

/**
 * `unready`: the answer to readiness probes; null where most work goes on. `lasts`: whether INFO says that it lasts; without it
 * the probe tells.
 */
interface Known {
  readonly unready: string | null
  readonly lasts?: (look: Look) => boolean
}

/** By the code of the reply (except `NODE`). */
const known: Readonly<Record<string, Known>> = {
  OOM: { unready: "Redis is full (maxmemory reached)", lasts: some(ServerInfo.isFull) },
  READONLY: { unready: "Redis is a replica and takes no writes", lasts: some(ServerInfo.isReplica) },
  MASTERDOWN: { unready: "Redis is a replica that has lost its master", lasts: some(ServerInfo.lacksMaster) },
  LOADING: { unready: "Redis is loading its data", lasts: some(ServerInfo.isLoading) },
  CLUSTERDOWN: { unready: "the Redis Cluster is down", lasts: some(ServerInfo.isClusterDown) },
  /** A slot has been open for longer than the driver tries. The process stays ready for users of the other slots. */
  TRYAGAIN: { unready: null, lasts: some(ServerInfo.hasOpenSlots) },
  /** One server of a Cluster does not answer. The process stays ready for users of the other servers. */
  NODE: { unready: null, lasts: ({ silent }: Look) => silent > 0 }
}

function some(is: (info: ServerInfo.ServerInfo) => boolean): (look: Look) => boolean {
  return ({ heard }) => heard.some(is)
}

/** Replies that the driver acts on by itself: it sends the command to another server, with the script's text, or again. */
const followed = new Set(["MOVED", "ASK", "TRYAGAIN", "NOSCRIPT"])

export const isFollowed = (code: string): boolean => followed.has(code)

/** The kind of an error reply, which is its code; null for one that is no trouble of Redis's (final, or followed). */
export const kindOf = (reply: string): string | null => {
  const code = codeOf(reply)
  return followed.has(code) || isFinal(reply) ? null : code
}

/** Redis's own words, without where in a script they were said. */
const wordsOf = (reply: string): string => reply.replace(/ script: [0-9a-f]{40}, on .*$/s, "").slice(0, 200)

/** Where something was refused, for the probe. */
export interface Place {
  /** A name of the server; "" where there is only one, or it is not known. */
  readonly server: string
  /** A key that the command named. */
  readonly key?: string | undefined
}

export interface RedisHealth {
  /** Redis refused a command, or one server of several a connection. */
  readonly refused: (kind: string, reply: string, at?: Place) => void
  /** This connection broke, or cannot be established; `why`: Redis's words where it refuses the connection. */
  readonly connectionLost: (connection: string, why: string) => void
  /** This connection is up, or was closed on purpose. */
  readonly connectionUp: (connection: string) => void
  /** For how long Redis has refused commands; 0 when it refuses none. */
  readonly refusingMillis: () => number
  /** Whether a trouble was logged that is not over yet: what fails meanwhile need not be logged again. */
  readonly isTroubled: () => boolean
  /** Why a connection is lost; null while all are up. Redis's words (`isRefusal`) rather than those of a socket. */
  readonly lossOf: () => { readonly why: string; readonly isRefusal: boolean } | null
  /** Why a server of a Cluster does not answer; null while all do. */
  readonly silenceOf: () => string | null
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
/**
 * The same where neither INFO nor the probe can tell: INFO is not permitted, or some other command is not (NOPERM). The process
 * then takes work again, and so learns whether the refusal is over.
 */
const quietMillis = 10_000
/** Kinds of refusals known at once; further ones are of the kind `OTHER`. A server's words are not bounded. */
const mostKinds = 16
/**
 * An outage is logged once for each kind. All socket failures are one kind, because they alternate during one outage; a
 * connection that Redis refuses (WRONGPASS, NOAUTH, DENIED, ERR max number of clients …) is a kind of its own.
 */
const kindOfLoss = (why: string): string => /^[A-Z]{3,}(?= )/.exec(why)?.[0] ?? "socket"
/** Kinds logged for one outage, at most. */
const mostSaid = 5
/** Servers probed for one refusal, at most; no Cluster has more masters. */
const mostServers = 1_000

interface Refusal {
  readonly since: number
  readonly words: string
  /** Those that refused, and have not taken a probe since. */
  readonly servers: Map<string, Place>
  lastAt: number
}

/**
 * `look`: asks all servers. `probe`: a write that changes nothing, on this key, or on any of this server. Both are used only
 * while Redis refuses commands. Ends with the scope.
 */
export const make = Effect.fnUntraced(function* (
  look: Effect.Effect<Look, RedisError>,
  probe: (at: Place) => Effect.Effect<void, RedisError>
): Effect.fn.Return<RedisHealth, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const now = yield* Elapsed.clock
  const refusals = new Map<string, Refusal>()
  const broken = new Map<string, { readonly since: number; why: string }>()
  const said = new Set<string>()
  let brokenSince = 0
  let watching = false
  /** By server: whether it refused this round's probe. */
  const probes = new Map<string, boolean>()

  const seconds = (since: number) => Math.round((now() - since) / 100) / 10

  /** Whether a server refuses a probe; one probe of it a round, for all kinds. */
  const refuses = Effect.fnUntraced(function* (at: Place) {
    const told = probes.get(at.server)
    if (told !== undefined) return told
    const answer = yield* Effect.result(probe(at))
    // refused again: RedisClient has reported it, perhaps as another kind
    const refused = Result.isFailure(answer) && isTransient(answer.failure)
    probes.set(at.server, refused)
    return refused
  })

  /** Whether a refusal lasts that INFO does not tell of, and that nothing was refused by lately. */
  const probed = Effect.fnUntraced(function* (kind: string, { lastAt, servers }: Refusal) {
    if (kind === "NOPERM" && now() - lastAt < quietMillis) return true
    const ask = (at: Place) =>
      Effect.map(refuses(at), (again) => {
        // unless it refused something else meanwhile
        if (!again && servers.get(at.server) === at) servers.delete(at.server)
      })
    yield* Effect.forEach([...servers.values()], ask, { concurrency: "unbounded", discard: true })
    return servers.size > 0
  })

  const lasts = Effect.fnUntraced(function* (kind: string, refusal: Refusal, seen: Result.Result<Look, RedisError>) {
    const quiet = now() - refusal.lastAt
    if (quiet < settledMillis) return true
    const told = known[kind]?.lasts
    if (told === undefined) return yield* probed(kind, refusal)
    if (Result.isSuccess(seen)) return told(seen.success)
    return !(seen.failure._tag === "RedisRefused" && seen.failure.code === "NOPERM") || quiet < quietMillis
  })

  const watch = Effect.gen(function* () {
    while (refusals.size > 0) {
      yield* Effect.sleep(Duration.millis(lookMillis))
      const seen = yield* Effect.result(look)
      probes.clear()
      for (const [kind, refusal] of refusals) {
        if (yield* lasts(kind, refusal, seen)) continue
        refusals.delete(kind)
        yield* Effect.logInfo("redis accepts commands again").pipe(
          Effect.annotateLogs({ kind, seconds: seconds(refusal.since) })
        )
      }
    }
    watching = false
  })

  return {
    refused: (code, reply, at = { server: "" }) => {
      const lastAt = now()
      const kind = refusals.has(code) || refusals.size < mostKinds ? code : "OTHER"
      const open = refusals.get(kind)
      if (open !== undefined) {
        open.lastAt = lastAt
        if (open.servers.size < mostServers || open.servers.has(at.server)) open.servers.set(at.server, at)
        return
      }
      const words = wordsOf(reply)
      refusals.set(kind, { since: lastAt, lastAt, words, servers: new Map([[at.server, at]]) })
      fork(Effect.logWarning("redis refuses commands").pipe(Effect.annotateLogs({ kind, error: words })))
      if (watching) return
      watching = true
      fork(Effect.forkIn(watch, scope))
    },
    connectionLost: (connection, why) => {
      if (broken.size === 0) brokenSince = now()
      const loss = kindOfLoss(why)
      const open = broken.get(connection)
      if (open === undefined) broken.set(connection, { since: now(), why })
      // the socket's error that follows a refused connection says less
      else if (loss !== "socket") open.why = why
      if (said.has(loss) || refusals.has(loss) || said.size >= mostSaid) return
      said.add(loss)
      fork(Effect.logWarning("redis connection failed").pipe(Effect.annotateLogs({ error: wordsOf(why) })))
    },
    connectionUp: (connection) => {
      if (!broken.delete(connection) || broken.size > 0 || said.size === 0) return
      said.clear()
      fork(Effect.logInfo("redis connection restored").pipe(Effect.annotateLogs({ seconds: seconds(brokenSince) })))
    },
    refusingMillis: () => {
      const first = Math.min(...Array.from(refusals.values(), ({ since }) => since))
      // never 0 during a refusal: the connection may close within the millisecond of the first one
      return refusals.size === 0 ? 0 : Math.max(1, now() - first)
    },
    isTroubled: () => refusals.size > 0 || broken.size > 0,
    lossOf: () => {
      const all = Array.from(broken.values(), ({ why }) => ({ why, isRefusal: kindOfLoss(why) !== "socket" }))
      return all.find(({ isRefusal }) => isRefusal) ?? all[0] ?? null
    },
    silenceOf: () => refusals.get("NODE")?.words ?? null,
    unready: () => {
      const longAgo = now() - graceMillis
      for (const { since, why } of broken.values()) {
        if (since <= longAgo && kindOfLoss(why) !== "socket") return `Redis refuses connections: ${wordsOf(why)}`
      }
      const lost = broken.get(commands)
      if (lost !== undefined && lost.since <= longAgo) return "Redis does not answer"
      for (const [kind, { since, words }] of refusals) {
        // a replica that has lost its master answers both; the other one says more
        if (kind === "READONLY" && refusals.has("MASTERDOWN")) continue
        const says = kind in known ? known[kind]!.unready : `Redis refuses commands: ${words}`
        if (since <= longAgo && says !== null) return says
      }
      return null
    }
  }
})
