/** One setting names the store, whatever its topology; what cannot be used is refused with a reason, and no password shown. */
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { RedisSettings, RedisUrl } from "@eco2/core/redis"

const plain = { username: undefined, password: undefined, tls: false, db: 0 }
const host = (name: string, port = 6379) => ({ host: name, port })

describe("REDIS_URL", () => {
  for (const [url, expected] of [
    ["redis://localhost", { _tag: "Standalone", endpoint: host("localhost"), ...plain }],
    [" redis://10.0.0.1:7000/3/ ", { _tag: "Standalone", endpoint: host("10.0.0.1", 7000), ...plain, db: 3 }],
    ["redis://[::1]:7000", { _tag: "Standalone", endpoint: host("::1", 7000), ...plain }],
    ["redis://:secret@h", { _tag: "Standalone", endpoint: host("h"), ...plain, password: "secret" }],
    [
      "redis://user:p%40ss%2F@h",
      { _tag: "Standalone", endpoint: host("h"), ...plain, username: "user", password: "p@ss/" }
    ],
    ["rediss://h:1", { _tag: "Standalone", endpoint: host("h", 1), ...plain, tls: true }],
    [
      "redis+sentinel://a,b:1/2?name=mymaster&tls=true",
      {
        _tag: "Sentinel",
        sentinels: [host("a", 26_379), host("b", 1)],
        name: "mymaster",
        sentinelTls: true,
        ...plain,
        tls: true,
        db: 2
      }
    ],
    [
      "redis+sentinel://a?name=m&tls=true&sentinel_tls=false",
      { _tag: "Sentinel", sentinels: [host("a", 26_379)], name: "m", sentinelTls: false, ...plain, tls: true }
    ],
    ["redis+cluster://a?tls=false", { _tag: "Cluster", nodes: [host("a")], ...plain }],
    ["redis+cluster://a?tls=true", { _tag: "Cluster", nodes: [host("a")], ...plain, tls: true }],
    ["redis://user@h", { _tag: "Standalone", endpoint: host("h"), ...plain, username: "user" }],
    ["redis+cluster://:pw@a:1,b", { _tag: "Cluster", nodes: [host("a", 1), host("b")], ...plain, password: "pw" }]
  ] as const) {
    it.effect(`REDIS_URL ${url} is understood`, () =>
      Effect.map(RedisUrl.parse(url), (parsed) => expect(parsed).toEqual(expected))
    )
  }

  for (const [url, reason] of [
    ["", "is not a Redis URL"],
    ["localhost:6379", "is not a Redis URL"],
    ["http://h", "is not a Redis URL"],
    ["redis://", "is not a Redis URL"],
    ["redis://h/db", 'has "/db"; a database is a number'],
    ["redis://h:0", 'has the unusable host "h:0"'],
    ["redis://h:65536", 'has the unusable host "h:65536"'],
    ["redis://h:http", 'has the unusable host "h:http"'],
    ["redis://a,b", "names 2 hosts; use redis+cluster:// or redis+sentinel://"],
    ["redis+sentinel://a,b", "lacks ?name=, the master's name"],
    ["redis+cluster://a/1", "names a database; a Cluster has only 0"],
    ["redis://h?timeout=5", 'has the unknown parameter "timeout"; redis:// takes none'],
    ["redis://h?db=7", 'has the unknown parameter "db"; redis:// takes none'],
    ["redis://h?tls=true", 'has the unknown parameter "tls"; redis:// takes none, and rediss:// is TLS'],
    ["rediss://h/?ssl_cert_reqs=none", 'has the unknown parameter "ssl_cert_reqs"; rediss:// takes none'],
    ["redis+cluster://a?name=m", 'has the unknown parameter "name"; redis+cluster:// takes tls'],
    ["redis+cluster://a?tls=yes", "has tls=yes; allowed is true or false"],
    ["redis+cluster://a?tls", "has tls=; allowed is true or false"],
    ["redis+cluster://a?tls=true&tls=false", 'has the parameter "tls" twice'],
    [
      "redis+sentinel://a?name=m&Name=n",
      'has the unknown parameter "Name"; redis+sentinel:// takes name, tls, sentinel_tls'
    ],
    ["redis+sentinel://a?name=m&name=n", 'has the parameter "name" twice'],
    ["redis+sentinel://a?name=m&sentinel_tls=true", "has sentinel_tls=true without tls=true"],
    ["redis://h/0#main", "has a part after #; write a # in a password as %23"],
    ["redis://h/0/1", 'has "/0/1"; a database is a number'],
    ["redis+cluster://a,,b", 'has the unusable host ""'],
    ["redis://user:sec%ret@h", "has a user or password with a stray %; write it as %25"]
  ] as const) {
    it.effect(`REDIS_URL "${url}" is refused: it ${reason}`, () =>
      Effect.gen(function* () {
        const refusal = yield* Effect.flip(RedisUrl.parse(url))
        expect(refusal.reason).toBe(reason)
        expect(refusal.message).not.toContain("sec%ret")
      })
    )
  }
})

describe("REDIS_PASSWORD", () => {
  const under = (env: Record<string, string>) =>
    Effect.provideService(
      Effect.map(RedisSettings.fromSettings, ({ credentials }) => credentials.password()),
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnv({ env })
    )

  it.effect("REDIS_PASSWORD is the unescaped password of a URL that has none; a URL's own password is kept", () =>
    Effect.gen(function* () {
      const password = "p@ss/w:rd %20?#"
      for (const url of ["redis://h", "redis://eco2@h", "redis+sentinel://a,b?name=m", "redis+cluster://a,b"]) {
        expect(yield* under({ REDIS_URL: url, REDIS_PASSWORD: password })).toBe(password)
      }
      expect(yield* under({ REDIS_URL: "redis://:own@h", REDIS_PASSWORD: password })).toBe("own")
      expect(yield* under({ REDIS_URL: "redis://h", REDIS_PASSWORD: "" })).toBe(undefined)
    })
  )
})
