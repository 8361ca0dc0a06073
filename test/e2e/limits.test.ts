/**
 * MODEL_LIMITS with real processes: four workers, 300 scans, and a provider that refuses what goes beyond 50 calls in any
 * 3 seconds. Every scan is two calls, and all of them are there at once: so most jobs wait their turn on a timer.
 */
import { afterAll, beforeAll, expect, it } from "vitest"
import { Core, CoreConfig, EventLog, JobEvent, Pipeline, RedisClient } from "@eco2/core"
import { ScanPipeline } from "@eco2/actors/protocol"
import { Deferred, Effect, Layer } from "effect"
import * as System from "./System.ts"

const scans = 300
const calls = 2 * scans
const limit = { requests: 50, windowMillis: 3_000 }

let system: System.System
beforeAll(async () => {
  system = await System.start({
    MODEL_LIMITS: `gpt-5.2=${limit.requests}r/${limit.windowMillis}ms`,
    LOG_LEVEL: "warn"
  })
})
afterAll(() => system.stop())

/** Submits the scans and waits until each has ended; answers the ids of those that ended `done`. */
const work = Effect.gen(function* () {
  const log = yield* EventLog.EventLog
  const ended = new Map<string, string>()
  const allEnded = yield* Deferred.make<void>()
  yield* log.tail({
    events: (id, events) => {
      const last = events.find(JobEvent.isTerminal)
      if (last !== undefined) ended.set(id, last.stage)
      if (ended.size === scans) Deferred.doneUnsafe(allEnded, Effect.void)
    },
    gap: () => undefined,
    answered: () => undefined
  })
  yield* Effect.forEach(
    Array.from({ length: scans }),
    (_, i) =>
      Pipeline.submit(
        ScanPipeline,
        {
          image: { _tag: "Url", url: `https://images.example.com/${i}.jpg` },
          userInput: "어디에 버려요?",
          model: "gpt-5.2"
        },
        { owner: `user ${i % 10}`, key: null }
      ),
    { concurrency: 50, discard: true }
  )
  yield* Deferred.await(allEnded)
  return [...ended.values()].filter((stage) => stage === "done").length
})

it("four workers keep 600 calls within the provider's limit: at most one in a hundred is refused, and every scan is done", async () => {
  const { models, outside } = system
  models.setLimit(limit)
  for (const kind of ["vision", "answer"] as const) models.setLatency(kind, 100)
  await Promise.all([1, 2, 3, 4].map(() => system.start("scan-worker", { LOG_LEVEL: "info" })))
  const before = commandsOf(await outside.info("commandstats"))
  const done = await Effect.runPromise(
    work.pipe(
      Effect.scoped,
      Effect.provide(
        Core.client.pipe(
          Layer.provide(RedisClient.layerUrl(system.redis.url)),
          Layer.provide(CoreConfig.layerWith({ userConcurrency: 0 }))
        )
      )
    )
  )
  const scripts = commandsOf(await outside.info("commandstats")) - before
  const first = models.calls[0]!.at
  const last = models.calls.at(-1)!.at
  const ideal = ((calls - limit.requests) / limit.requests) * limit.windowMillis
  process.stdout.write(
    `${models.calls.length} calls in ${((last - first) / 1_000).toFixed(1)} s, ${models.refused} refused; ` +
      `${((100 * ideal) / (last - first)).toFixed(1)} % of the limit; ${(scripts / calls).toFixed(1)} scripts a call\n`
  )
  expect(done).toBe(scans)
  expect(models.calls.length).toBe(calls)
  expect(models.refused).toBeLessThanOrEqual(calls / 100)
})

const commandsOf = (info: string): number => Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0)
