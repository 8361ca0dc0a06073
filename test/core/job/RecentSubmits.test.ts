/** What a process accepted and Redis lost: handed in again under the same ids, or named. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Layer, Metric } from "effect"
import { Client, CoreConfig, JobStore, Pipeline, RecentSubmits } from "@eco2/core"
import type { Job } from "@eco2/core"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { Metrics, Readiness } from "@eco2/core/telemetry"
import { RedisServer } from "@eco2/core/testing"
import * as Fleet from "../CoreFixture.ts"
import * as RedisCluster from "../RedisCluster.ts"
import * as LogLines from "../redis/LogLines.ts"
import { until } from "../Until.ts"

const again = "redis had lost accepted jobs; they are submitted again"
const lost = "redis has lost accepted jobs"

/** A process that submits as a gateway does. */
const started = Effect.fnUntraced(function* (
  url: string,
  mostBytes = 16_777_216,
  values: Parameters<typeof CoreConfig.layerWith>[0] = {}
) {
  const logs = LogLines.make()
  const below = Client.dataGuard.pipe(
    Layer.provideMerge(Client.layer),
    Layer.provideMerge(Layer.mergeAll(RedisClient.layerUrl(url), CoreConfig.layerWith(values), Readiness.layer))
  )
  const context = yield* RecentSubmits.layer({ mostBytes }).pipe(
    Layer.provideMerge(below),
    Layer.provideMerge(logs.layer),
    Layer.fresh,
    Layer.build
  )
  const run = <A, E>(effect: Effect.Effect<A, E, JobStore.JobStore | Keyspace | RedisClient.RedisClient>) =>
    Effect.provideContext(effect, context)
  const submit = (n: number, options: { readonly key?: string; readonly image?: Uint8Array } = {}) =>
    Effect.map(
      run(Pipeline.submit(Fleet.ParcelPipeline, { weight: n }, { owner: `owner ${n}`, key: null, ...options })),
      ({ id }) => id
    )
  const store = Context.get(context, JobStore.JobStore)
  const known = (ids: ReadonlyArray<Job.JobId>) =>
    Effect.forEach(ids, (id) => Effect.orElseSucceed(store.get(id), () => null), { concurrency: 20 })
  return { logs, run, submit, store, known, redis: Context.get(context, RedisClient.RedisClient) }
})
const idsOf = (lines: ReadonlyArray<LogLines.Line>) =>
  lines.flatMap(({ facts }) => (Array.isArray(facts.job_ids) ? facts.job_ids.map(String) : []))
const restartEmpty = (server: RedisServer.RedisServer) =>
  Effect.promise(async () => {
    await server.kill9()
    await server.restart()
  })

describe("RecentSubmits", () => {
  it.live("J1 J6 jobs accepted just before Redis restarts empty are there again under their ids, with pictures", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const { known, logs, store, submit } = yield* started(server.url)
      const ids = yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) => submit(n, { image: Buffer.from(`picture ${n}`) }))
      const before = yield* known(ids)
      const counted = (yield* Metric.value(Metrics.submitsAgain)).count
      yield* restartEmpty(server)
      const after = yield* until(known(ids), (jobs) => jobs.every((job) => job !== null))
      for (const [i, job] of after.entries()) {
        const { id, input, owner, plan, state, trace } = before[i]!
        expect(job).toMatchObject({ id, input, owner, plan, state, trace })
        expect(String(yield* store.image(id))).toBe(`picture ${i + 1}`)
      }
      yield* until(
        Effect.sync(() => idsOf(logs.of(again))),
        (named) => named.length === 6
      )
      expect(idsOf(logs.of(again)).toSorted()).toEqual([...ids].toSorted())
      expect(idsOf(logs.of(lost))).toEqual([])
      expect((yield* Metric.value(Metrics.submitsAgain)).count - Number(counted)).toBe(6)
    })
  )

  it.live("J7 a job that its user cancelled is not handed in again", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const { known, logs, store, submit } = yield* started(server.url)
      const [cancelled, open] = [yield* submit(1), yield* submit(1)]
      yield* store.cancel(cancelled)
      yield* restartEmpty(server)
      yield* logs.said(again)
      expect(idsOf(logs.of(again))).toEqual([open])
      expect((yield* known([cancelled]))[0]).toBe(null)
    })
  )

  it.live("what exceeds the bound of bytes is lost, and named: the oldest jobs, and those with a large picture", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      // room for three small jobs; a picture may have a quarter of it
      const { logs, submit } = yield* started(server.url, 2_200)
      const large = yield* submit(1, { image: Buffer.alloc(600) })
      const small = yield* Effect.forEach([1, 1, 1], () => submit(1))
      yield* restartEmpty(server)
      yield* logs.said(lost)
      yield* logs.said(again)
      expect(idsOf(logs.of(again)).toSorted()).toEqual(small.slice(-idsOf(logs.of(again)).length).toSorted())
      expect(idsOf(logs.of(lost))).toContain(large)
      expect([...idsOf(logs.of(lost)), ...idsOf(logs.of(again))].toSorted()).toEqual([large, ...small].toSorted())
    })
  )

  it.live("a job whose picture is too large to be kept is lost, and named with this reason", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const { logs, submit } = yield* started(server.url, 100_000)
      const large = yield* submit(1, { image: Buffer.alloc(30_000) })
      yield* restartEmpty(server)
      const [line] = yield* logs.said(lost)
      expect(line?.facts).toMatchObject({ jobs: 1, job_ids: [large], reasons: ["its picture is too large to be kept"] })
    })
  )

  it.live("a reconnect to a server that has everything asks once a partition and hands nothing in", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped({ args: ["--appendonly", "yes", "--appendfsync", "always"] })
      const { known, logs, redis, submit } = yield* started(server.url)
      const ids = yield* Effect.forEach(
        Array.from({ length: 60 }, (_, n) => n),
        (n) => submit(n)
      )
      yield* restartEmpty(server)
      const exists = Effect.map(redis.send("INFO", "commandstats"), (info) =>
        Number(/cmdstat_exists:calls=(\d+)/.exec(String(info))?.[1] ?? 0)
      )
      yield* until(
        Effect.orElseSucceed(exists, () => 0),
        (calls) => calls >= 4
      )
      expect(yield* exists).toBe(4)
      expect((yield* known(ids)).every((job) => job?.state === "waiting")).toBe(true)
      expect(logs.lines.filter(({ text }) => text === again || text === lost)).toEqual([])
    })
  )

  it.live("an ended job that a repeated submit met is not handed in once it has expired", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.scoped()
      const { logs, store, submit } = yield* started(server.url)
      const ended = yield* submit(1, { key: "a" })
      yield* store.cancel(ended)
      expect(yield* submit(1, { key: "a" })).toBe(ended)
      const open = yield* submit(1)
      yield* restartEmpty(server)
      yield* logs.said(again)
      expect(idsOf(logs.of(again))).toEqual([open])
    })
  )

  it.live("a job older than half of JOB_TTL may have expired, and is neither asked for nor called lost", () =>
    Effect.gen(function* () {
      let ahead = 0n
      const clock = yield* Clock.Clock
      const later: Clock.Clock = Object.assign(Object.create(clock), {
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + ahead
      })
      const server = yield* RedisServer.scoped()
      const { logs, submit } = yield* started(server.url, 16_777_216, { jobTtl: Duration.seconds(40) }).pipe(
        Effect.provideService(Clock.Clock, later)
      )
      yield* submit(1)
      ahead = 21_000_000_000n
      const young = yield* submit(1)
      yield* restartEmpty(server)
      yield* logs.said(again)
      expect(idsOf(logs.of(again))).toEqual([young])
      expect(logs.of(lost)).toEqual([])
    })
  )

  it.live("a job accepted more than thirty seconds ago is lost, and named", () =>
    Effect.gen(function* () {
      let ahead = 0n
      const clock = yield* Clock.Clock
      const later: Clock.Clock = Object.assign(Object.create(clock), {
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + ahead
      })
      const server = yield* RedisServer.scoped()
      const { logs, submit } = yield* started(server.url).pipe(Effect.provideService(Clock.Clock, later))
      const old = yield* submit(1)
      ahead = 31_000_000_000n
      const young = yield* submit(1)
      yield* restartEmpty(server)
      yield* logs.said(lost)
      expect(idsOf(logs.of(lost))).toEqual([old])
      yield* logs.said(again)
      expect(idsOf(logs.of(again))).toEqual([young])
    })
  )

  it.live("on a Cluster the jobs of a master that restarts empty are handed in again", () =>
    Effect.gen(function* () {
      const { servers, url } = yield* RedisCluster.start()
      const { known, logs, submit } = yield* started(url)
      const ids = yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (n) => submit(n))
      yield* restartEmpty(servers[1]!)
      yield* until(
        Effect.sync(() => idsOf(logs.of(again)).length),
        (count) => count > 0
      )
      yield* until(known(ids), (jobs) => jobs.every((job) => job !== null))
    })
  )
})
