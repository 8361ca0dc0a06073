/**
 * Permissions: every command that processes send, as ACLs name them, and which of them this Redis user may not run. A missing
 * one stops a process at start with the whole list (Suitability), and is said again when Redis refuses a command for it
 * (RedisClient). A role that sends few of them says which (`only`), so that its user needs no others. docs/operations/redis.md
 * has the lists as ACLs; tests compare the two, and the lists with the sources.
 */
import { Context, Effect, Layer, Schema } from "effect"
import type { Names } from "./Keys.ts"
import type { RedisError } from "./RedisError.ts"
import * as Script from "./Script.ts"

/** Commands that no role can do without, each with words that change nothing (permissions.lua). */
const tries = {
  del: "DEL K:other",
  exists: "EXISTS K",
  get: "GET K",
  hdel: "HDEL K b",
  hexists: "HEXISTS K a",
  hget: "HGET K a",
  hgetall: "HGETALL K",
  hincrby: "HINCRBY K a x",
  hlen: "HLEN K",
  hmget: "HMGET K a",
  hscan: "HSCAN K 0",
  hset: "HSET K a 1 b",
  hsetnx: "HSETNX K a 2",
  lindex: "LINDEX K 0",
  llen: "LLEN K",
  lpop: "LPOP K",
  lpos: "LPOS K a",
  lrange: "LRANGE K 0 0",
  lrem: "LREM K 0 a",
  ltrim: "LTRIM K 0 0",
  mget: "MGET K",
  persist: "PERSIST K",
  pexpire: "PEXPIRE K 60000",
  ping: "PING",
  pttl: "PTTL K",
  rename: "RENAME K:other K",
  rpush: "RPUSH K a",
  sadd: "SADD K a",
  scan: "SCAN 0 COUNT 1",
  set: "SET K a NX",
  smembers: "SMEMBERS K",
  strlen: "STRLEN K",
  time: "TIME",
  xack: "XACK K g 0-1",
  xadd: "XADD K * a b",
  xclaim: "XCLAIM K g c 0 0-1",
  xdel: "XDEL K 0-1",
  "xgroup|create": "XGROUP CREATE K g $",
  "xgroup|delconsumer": "XGROUP DELCONSUMER K g c",
  "xinfo|consumers": "XINFO CONSUMERS K g",
  "xinfo|groups": "XINFO GROUPS K",
  xlen: "XLEN K",
  xpending: "XPENDING K g",
  xrange: "XRANGE K - + COUNT 1",
  xread: "XREAD COUNT 1 STREAMS K 0",
  xreadgroup: "XREADGROUP GROUP g c COUNT 1 STREAMS K >",
  xrevrange: "XREVRANGE K + - COUNT 1",
  xtrim: "XTRIM K MAXLEN 0",
  zadd: "ZADD K 1 a",
  zcard: "ZCARD K",
  zcount: "ZCOUNT K 0 1",
  zrange: "ZRANGE K 0 0",
  zrangebyscore: "ZRANGEBYSCORE K 0 1",
  zrem: "ZREM K a",
  zremrangebyscore: "ZREMRANGEBYSCORE K 0 1",
  zscore: "ZSCORE K a"
} satisfies Readonly<Record<string, string>>
type Tried = keyof typeof tries
const tried = Object.keys(tries) as ReadonlyArray<Tried>
/** Those that run the others in scripts; tried by running a script. */
const scripting = ["eval", "evalsha"] as const
/** For the trial itself, and for the probe that learns whether Redis takes writes again. */
const always = ["del", "hset", "ping", "xack"] as const

export type Command = Tried | (typeof scripting)[number]
export const needed: ReadonlyArray<Command> = [...tried, ...scripting]

/** What this process sends; all of it, unless its role says otherwise. */
export const Needs: Context.Reference<ReadonlyArray<Command>> = Context.Reference<ReadonlyArray<Command>>(
  "@eco2/core/redis/Permissions/Needs",
  { defaultValue: () => needed }
)
/** For a role that sends these alone, beside what every process does; to be provided to RedisClient. */
export const only = (commands: ReadonlyArray<Tried>): Layer.Layer<never> =>
  Layer.succeed(Needs, [...new Set<Command>([...commands, ...always, ...scripting])].toSorted())
/** Also needed on a Cluster; without them no process starts. */
export const onCluster: ReadonlyArray<string> = ["asking", "cluster|info", "cluster|nodes", "cluster|slots"]
/** Needed with a database other than 0; without it no process starts (NamedDatabase). */
export const forDatabase: ReadonlyArray<string> = ["select"]
/** Needed with SUBMIT_REPLICAS; without it every submit is refused. No script may send it, so it is tried apart (`missingWait`). */
export const forReplicas: ReadonlyArray<string> = ["wait"]
/** Processes work without these: docs/operations/redis.md says what is lost. */
export const optional: ReadonlyArray<string> = ["client|id", "client|setname", "client|unblock", "info"]

const script = Script.make({
  file: new URL("./scripts/permissions.lua", import.meta.url),
  numberOfKeys: 1,
  reply: Schema.Array(Schema.Int)
})
/** What it needs of a client. */
interface Client {
  readonly keys: Names
  readonly run: <A>(
    script: Script.Script<A>,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<string>
  ) => Effect.Effect<A, RedisError>
}

/**
 * The rules that this user's ACL lacks for `needs`, as in `+xadd`. One round trip, two where Redis has not seen the script. On a
 * Cluster the master of the fleet's slot is asked.
 */
export const missing = (
  { keys, run }: Client,
  needs: ReadonlyArray<Command>
): Effect.Effect<ReadonlyArray<string>, RedisError> => {
  const names = tried.filter((name) => needs.includes(name))
  return run(
    script,
    [`${keys.fleet}:probe`],
    names.map((name) => tries[name])
  ).pipe(
    Effect.map((refused) =>
      refused.flatMap((number) => (names[number - 1] === undefined ? [] : [`+${names[number - 1]}`]))
    ),
    Effect.catchTag("RedisRefused", (error) => {
      if (error.code !== "NOPERM") return Effect.fail(error)
      return Effect.succeed(/\bkeys?\b/.test(error.reply) ? [`~${keys.prefix}*`] : scripting.map((name) => `+${name}`))
    })
  )
}

/**
 * The rule that this user's ACL lacks to wait for replicas, on any master. A WAIT for no replica changes nothing and is answered at
 * once. `wait`: sends it to every master.
 */
export const missingWait = (
  wait: Effect.Effect<unknown, RedisError>
): Effect.Effect<ReadonlyArray<string>, RedisError> =>
  Effect.as(wait, []).pipe(
    Effect.catchTag("RedisRefused", (error) =>
      error.code === "NOPERM" ? Effect.succeed(forReplicas.map((name) => `+${name}`)) : Effect.fail(error)
    )
  )

/** The objection to an ACL that lacks these rules. */
export const objection = (rules: ReadonlyArray<string>): string =>
  `the ACL of this user lacks ${rules.join(" ")} (docs/operations/redis.md#permissions)`
