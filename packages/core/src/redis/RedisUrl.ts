/**
 * RedisUrl: one setting names the store, whatever its topology.
 *   redis://[user:password@]host[:port][/db]                      one server
 *   rediss://…                                                    the same over TLS
 *   redis+sentinel://[user:password@]host[:port],host…[/db]?name=mymaster
 *   redis+cluster://[user:password@]host[:port],host…
 * Both list forms take `?tls=true`; with it a Sentinel form may say `&sentinel_tls=false` of the Sentinels themselves. A
 * parameter or part that would have no effect is refused: whoever wrote it believes that it has one. The password may be set separately as REDIS_PASSWORD, without URL escapes, because tools
 * that issue passwords rarely write URLs. Read by RedisSettings.
 */
import { Effect, Schema } from "effect"

export interface Endpoint {
  readonly host: string
  readonly port: number
}
export interface Access {
  readonly username: string | undefined
  readonly password: string | undefined
  readonly tls: boolean
  readonly db: number
}
export type RedisUrl =
  | (Access & { readonly _tag: "Standalone"; readonly endpoint: Endpoint })
  | (Access & {
      readonly _tag: "Sentinel"
      readonly sentinels: ReadonlyArray<Endpoint>
      readonly name: string
      readonly sentinelTls: boolean
    })
  | (Access & { readonly _tag: "Cluster"; readonly nodes: ReadonlyArray<Endpoint> })

/** REDIS_URL cannot be used as given. The message shows no password. */
export class RedisUrlInvalid extends Schema.TaggedError<RedisUrlInvalid>()("RedisUrlInvalid", {
  reason: Schema.String
}) {
  override get message() {
    return `REDIS_URL ${this.reason}; allowed: redis://host:6379/0, rediss://…, redis+sentinel://host,host?name=mymaster, redis+cluster://host,host`
  }
}

const pattern =
  /^(redis|rediss|redis\+sentinel|redis\+cluster):\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?(#.*)?$/

const parseEndpoint = (text: string, defaultPort: number): Endpoint | undefined => {
  const match = /^(\[[0-9a-fA-F:]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(text.trim())
  if (match === null) return undefined
  const port = match[2] === undefined ? defaultPort : Number(match[2])
  return port > 0 && port < 65_536 ? { host: match[1]!.replace(/^\[|\]$/g, ""), port } : undefined
}

const decoded = (text: string | undefined): Effect.Effect<string | undefined, RedisUrlInvalid> =>
  Effect.try({
    try: () => (text === undefined || text === "" ? undefined : decodeURIComponent(text)),
    catch: () => new RedisUrlInvalid({ reason: "has a user or password with a stray %; write it as %25" })
  })

/** The parameters that each form takes. */
const known: Readonly<Record<string, ReadonlyArray<string>>> = {
  "redis+sentinel": ["name", "tls", "sentinel_tls"],
  "redis+cluster": ["tls"]
}

/** The parameters of a query; fails on an unknown or repeated one, and on a switch that is neither true nor false. */
const parametersOf = Effect.fnUntraced(function* (
  scheme: string,
  query: string
): Effect.fn.Return<ReadonlyMap<string, string>, RedisUrlInvalid> {
  const allowed = known[scheme] ?? []
  const found = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (!allowed.includes(name)) {
      const takes = allowed.length === 0 ? "none" : allowed.join(", ")
      return yield* new RedisUrlInvalid({
        reason: `has the unknown parameter "${name}"; ${scheme}:// takes ${takes}${name === "tls" ? ", and rediss:// is TLS" : ""}`
      })
    }
    if (found.has(name)) return yield* new RedisUrlInvalid({ reason: `has the parameter "${name}" twice` })
    if (name !== "name" && value !== "true" && value !== "false")
      return yield* new RedisUrlInvalid({ reason: `has ${name}=${value}; allowed is true or false` })
    found.set(name, value)
  }
  return found
})

/** Parses one URL; fails with RedisUrlInvalid, which names the wrong part. */
export const parse = Effect.fnUntraced(function* (text: string): Effect.fn.Return<RedisUrl, RedisUrlInvalid> {
  const match = pattern.exec(text.trim())
  if (match === null) return yield* new RedisUrlInvalid({ reason: "is not a Redis URL" })
  const [, scheme = "", user, password, hosts, path = "", query, fragment] = match
  if (fragment !== undefined)
    return yield* new RedisUrlInvalid({ reason: "has a part after #; write a # in a password as %23" })
  const [, db] = /^(\d{0,9})\/?$/.exec(path) ?? []
  if (db === undefined) return yield* new RedisUrlInvalid({ reason: `has "/${path}"; a database is a number` })
  const params = yield* parametersOf(scheme, query ?? "")
  const defaultPort = scheme === "redis+sentinel" ? 26_379 : 6379
  const endpoints: Array<Endpoint> = []
  for (const host of hosts!.split(",")) {
    const endpoint = parseEndpoint(host, defaultPort)
    if (endpoint === undefined) return yield* new RedisUrlInvalid({ reason: `has the unusable host "${host}"` })
    endpoints.push(endpoint)
  }
  const access = {
    username: yield* decoded(user),
    password: yield* decoded(password),
    tls: scheme === "rediss" || params.get("tls") === "true",
    db: Number(db)
  }
  if (scheme === "redis+sentinel") {
    const name = params.get("name") ?? ""
    if (name === "") return yield* new RedisUrlInvalid({ reason: "lacks ?name=, the master's name" })
    const sentinelTls = access.tls && params.get("sentinel_tls") !== "false"
    if (!access.tls && params.get("sentinel_tls") === "true")
      return yield* new RedisUrlInvalid({ reason: "has sentinel_tls=true without tls=true" })
    return { _tag: "Sentinel", sentinels: endpoints, name, sentinelTls, ...access }
  }
  if (scheme === "redis+cluster") {
    if (access.db !== 0) return yield* new RedisUrlInvalid({ reason: "names a database; a Cluster has only 0" })
    return { _tag: "Cluster", nodes: endpoints, ...access }
  }
  if (endpoints.length > 1)
    return yield* new RedisUrlInvalid({
      reason: `names ${endpoints.length} hosts; use redis+cluster:// or redis+sentinel://`
    })
  return { _tag: "Standalone", endpoint: endpoints[0]!, ...access }
})
