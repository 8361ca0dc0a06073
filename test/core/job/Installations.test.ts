/** KEY_PREFIX and INSTALLATION: two installations on one Redis do not touch each other, and one prefix has one owner. */
import { describe, expect, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect } from "effect"
import { Keys, Keyspace, RedisSettings } from "@eco2/core/redis"
import { JobList } from "@eco2/core/operations"
import { size } from "../../harness/Long.ts"
import * as KeyTables from "../../harness/KeyTables.ts"
import * as Fleet from "../CoreFixture.ts"
import * as RedisCluster from "../RedisCluster.ts"
import { follow, priced, publish } from "../topic/TopicFixture.ts"

const jobs = size("INSTALLATION_JOBS", { short: 60, long: 1_000 })
const prefixes = ["eco2", "eco2-staging"].map((name) => Keys.Prefix.make(name))

/** Two workers under a prefix, a topic they follow, and what their handlers saw. */
const installation = Effect.fnUntraced(function* (url: string, keyPrefix: Keys.Prefix) {
  const weighed: Array<string> = []
  const serve = Fleet.working(
    url,
    Fleet.parcelBehaviors({
      weigh: ({ input }, job) =>
        Effect.sync(() => {
          weighed.push(job.id)
          return { grams: input.weight * 1_000 }
        })
    }),
    { keyPrefix, userConcurrency: 0 }
  )
  const [worker, second] = yield* Effect.all([serve, serve])
  const topic = yield* follow(worker)
  const submitted = Effect.forEach(
    Array.from({ length: jobs }, (_, i) => `owner ${i % 50}`),
    (owner) => worker.run(Fleet.submit({ owner })),
    { concurrency: 50 }
  )
  return { keyPrefix, worker, second, topic, weighed, submitted }
})

describe("two installations on one Redis", () => {
  it.live(
    "two installations with prefixes of their own on one Cluster run exactly their own jobs, topics and lists",
    () =>
      Effect.gen(function* () {
        const { servers, url } = yield* RedisCluster.start()
        const both = yield* Effect.forEach(prefixes, (prefix) => installation(url, prefix))
        const submitted = yield* Effect.forEach(both, ({ submitted }) => submitted, { concurrency: 2 })
        for (const [i, { topic, worker }] of both.entries()) {
          yield* publish(worker, priced(`plum ${i}`, i))
          yield* Fleet.until(topic.prices, (prices) => Object.keys(prices).length > 0)
        }
        for (const [i, { keyPrefix, second, topic, weighed, worker }] of both.entries()) {
          const own = new Set<string>(submitted[i])
          for (const id of submitted[i]!)
            yield* Fleet.until(second.run(Fleet.jobOf(id)), ({ state }) => state === "done")
          // each handler once (J2), and none for the other installation
          expect(weighed.length).toBe(jobs)
          expect(new Set(weighed)).toEqual(own)
          expect(yield* topic.prices).toEqual({ [`plum ${i}`]: i })
          const listed = yield* worker.run(
            JobList.JobList.use((list) => Effect.orDie(list.find({ state: "ended", limit: 2 * jobs }))).pipe(
              Effect.provide(JobList.layer)
            )
          )
          expect(new Set<string>(listed.jobs.map(({ id }) => id))).toEqual(own)
          expect(keyPrefix).toBe(prefixes[i])
        }
        const names = prefixes.map((prefix) => new Keys.Names(prefix))
        for (const server of servers) {
          const client = yield* RedisCluster.clientOf(server.url)
          for (const key of yield* client.scan("*")) {
            const of = names.filter((one) => KeyTables.rowOf(key, one) !== undefined)
            expect([key, of.length]).toEqual([key, 1])
          }
        }
      })
  )
})

describe("the owner of a prefix", () => {
  const redis = Fleet.privateRedis()
  const refusal = (values: Fleet.Values) =>
    Effect.map(Effect.flip(Effect.sandbox(Fleet.joined(redis.url, values))), Cause.pretty)

  it.live("a process of another installation, or of none, is refused at start by the prefix's owner", () =>
    Effect.gen(function* () {
      yield* Fleet.joined(redis.url, { installation: "prod/eco2" })
      expect(yield* refusal({ installation: "stage/eco2" })).toMatch(
        /eco2: with INSTALLATION=prod\/eco2.*INSTALLATION=stage\/eco2; another installation needs a KEY_PREFIX of its own/
      )
      expect(yield* refusal({})).toContain("INSTALLATION=prod/eco2")
      yield* Fleet.joined(redis.url, { installation: "prod/eco2" })
      const staging = yield* Fleet.joined(redis.url, { installation: "stage/eco2", keyPrefix: prefixes[1]! })
      expect((yield* staging.run(Keyspace)).partitions[0]?.root).toMatch(/^eco2-staging:\{/)
    })
  )

  it.live("data that no installation has claimed is claimed by the first process that has a name", () =>
    Effect.gen(function* () {
      yield* Fleet.joined(redis.url)
      yield* Fleet.joined(redis.url)
      yield* Fleet.joined(redis.url, { installation: "prod/eco2" })
      expect(yield* refusal({ installation: "stage/eco2" })).toContain("INSTALLATION=prod/eco2")
    })
  )

  it.live("data of another format is refused at start, with the prefix in the sentence", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      yield* client.send("HSET", "eco2:{fleet}:meta", "format", "1")
      expect(yield* refusal({})).toContain("under eco2: with format=1")
    })
  )
})

describe("KEY_PREFIX", () => {
  const under = (KEY_PREFIX: string) =>
    Effect.provideService(
      RedisSettings.keyPrefix,
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnv({ env: { KEY_PREFIX } })
    )

  it.effect("KEY_PREFIX is a short word without braces, wildcards or colons; any other value is refused by name", () =>
    Effect.gen(function* () {
      for (const good of ["eco2", "e", "eco2-staging", "team_a.eco2", "2".repeat(32)])
        expect(yield* under(good)).toBe(good)
      expect(yield* under("")).toBe("eco2")
      for (const bad of ["Eco2", "eco2:", "{eco2}", "eco*", "eco2?", "-eco2", "a b", "이코", "2".repeat(33)]) {
        const error = yield* Effect.flip(under(bad))
        expect(error.message).toContain(`KEY_PREFIX is "${bad}"`)
      }
    })
  )
})
