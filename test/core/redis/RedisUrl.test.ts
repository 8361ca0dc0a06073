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
      { _tag: "Sentinel", sentinels: [host("a", 26_379), host("b", 1)], name: "mymaster", ...plain, tls: true, db: 2 }
    ],
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
    ["redis://h/db", "is not a Redis URL"],
    ["redis://h:0", 'has the unusable host "h:0"'],
    ["redis://h:65536", 'has the unusable host "h:65536"'],
    ["redis://h:http", 'has the unusable host "h:http"'],
    ["redis://a,b", "names 2 hosts; use redis+cluster:// or redis+sentinel://"],
    ["redis+sentinel://a,b", "lacks ?name=, the master's name"],
    ["redis+cluster://a/1", "names a database; a Cluster has only 0"],
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
      Effect.map(RedisSettings.fromSettings, ({ url }) => url),
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnv({ env })
    )

  it.effect("REDIS_PASSWORD is the unescaped password of a URL that has none; a URL's own password is kept", () =>
    Effect.gen(function* () {
      const password = "p@ss/w:rd %20?#"
      for (const url of ["redis://h", "redis://eco2@h", "redis+sentinel://a,b?name=m", "redis+cluster://a,b"]) {
        const store = yield* under({ REDIS_URL: url, REDIS_PASSWORD: password })
        expect(store).toEqual({ ...(yield* RedisUrl.parse(url)), password })
      }
      expect(yield* under({ REDIS_URL: "redis://:own@h", REDIS_PASSWORD: password })).toMatchObject({ password: "own" })
      expect(yield* under({ REDIS_URL: "redis://h", REDIS_PASSWORD: "" })).toMatchObject({ password: undefined })
    })
  )
})
