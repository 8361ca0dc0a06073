/**
 * RedisUrl: one setting names the store, whatever its topology.
 *   redis://[user:password@]host[:port][/db]                      one server
 *   rediss://…                                                    the same over TLS
 *   redis+sentinel://[user:password@]host[:port],host…[/db]?name=mymaster
 *   redis+cluster://[user:password@]host[:port],host…
 * Both list forms take `?tls=true`. The password may be set separately as REDIS_PASSWORD, without URL escapes, because tools
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
  | (Access & { readonly _tag: "Sentinel"; readonly sentinels: ReadonlyArray<Endpoint>; readonly name: string })
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
  /^(redis|rediss|redis\+sentinel|redis\+cluster):\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?#]+)(?:\/(\d+))?\/?(?:\?([^#]*))?$/

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

/** Parses one URL; fails with RedisUrlInvalid, which names the wrong part. */
export const parse = Effect.fnUntraced(function* (text: string): Effect.fn.Return<RedisUrl, RedisUrlInvalid> {
  const match = pattern.exec(text.trim())
  if (match === null) return yield* new RedisUrlInvalid({ reason: "is not a Redis URL" })
  const [, scheme, user, password, hosts, db, query] = match
  const params = new URLSearchParams(query ?? "")
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
    db: Number(db ?? 0)
  }
  if (scheme === "redis+sentinel") {
    const name = params.get("name")
    if (name === null || name === "") return yield* new RedisUrlInvalid({ reason: "lacks ?name=, the master's name" })
    return { _tag: "Sentinel", sentinels: endpoints, name, ...access }
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

/** REDIS_URL and REDIS_PASSWORD together. A password in the URL takes precedence. */
export const withPassword = (url: RedisUrl, password: string): RedisUrl =>
  url.password === undefined && password !== "" ? { ...url, password } : url
