/**
 * MODEL_LIMITS with real processes: four workers, 300 scans submitted at once, and a provider that refuses calls beyond a limit.
 * The fleet may make 50 calls in any 6 seconds (in a short run 60 scans and 20 calls in any 4 seconds). The provider counts in a
 * window a quarter shorter: a call arrives some time after its grant, on a busy machine up to a second, and the limiter is not
 * to be judged by that. That no window has one grant too many, by Redis's clock, is Window.test's to show.
 * Most jobs wait on a timer and keep their place.
 */
import { afterAll, beforeAll, expect, it } from "vitest"
import { Client, CoreConfig, EventLog, JobEvent, Pipeline } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { ScanPipeline } from "@eco2/actors/protocol"
import { Deferred, Effect, Layer } from "effect"
import { isLong } from "../harness/Long.ts"
import * as System from "./System.ts"

const scans = isLong ? 300 : 60
const limit = isLong ? { requests: 50, windowMillis: 6_000 } : { requests: 20, windowMillis: 4_000 }

const provided = { requests: limit.requests, windowMillis: 0.75 * limit.windowMillis }

let system: System.System
beforeAll(async () => {
  system = await System.start({ MODEL_LIMITS: `gpt-5.2=${limit.requests}r/${limit.windowMillis}ms` })
})
afterAll(() => system.stop())

/** Submits this many scans and waits until each has ended; returns how many ended `done`. */
const work = Effect.fnUntraced(function* (count: number) {
  const log = yield* EventLog.EventLog
  const ended = new Map<string, string>()
  const allEnded = yield* Deferred.make<void>()
  yield* log.tail({
    events: (id, events) => {
      const last = events.find(JobEvent.isTerminal)
      if (last !== undefined) ended.set(id, last.stage)
      if (ended.size === count) Deferred.doneUnsafe(allEnded, Effect.void)
    },
    gap: () => undefined,
    answered: () => undefined
  })
  yield* Effect.forEach(
    Array.from({ length: count }),
    (_, i) =>
      Pipeline.submit(
        ScanPipeline,
        {
          image: { _tag: "Url", url: `https://images.example.com/${i}.jpg` },
          userInput: "어디에 버려요?",
          model: "gpt-5.2",
          language: "ko",
          region: null
        },
        { owner: `user ${i % 10}`, key: null }
      ),
    { concurrency: 50, discard: true }
  )
  yield* Deferred.await(allEnded)
  return [...ended.values()].filter((stage) => stage === "done").length
}, Effect.scoped)

const scripts = (info: string): number =>
  [...info.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0)

it(`four workers run ${scans} scans within the provider's limit: no call is refused, and every scan is done`, async () => {
  const { models, outside } = system
  const client = Client.layer.pipe(
    Layer.provide(RedisClient.layerUrl(system.redis.url)),
    Layer.provide(CoreConfig.layerWith({ userConcurrency: 0 }))
  )
  // an item without a rule needs no answer model, so a scan is one call
  models.setReply("vision", {
    major_category: "미분류",
    middle_category: null,
    minor_category: null,
    situation_tags: []
  })
  models.setLatency("vision", 100)
  await Promise.all([1, 2, 3, 4].map(() => system.start("scan-worker")))
  // a process's first calls take a tenth of a second and more to be sent: too long for a window of seconds
  await Effect.runPromise(Effect.provide(work(16), client))
  const warm = models.calls.length
  const before = scripts(await outside.info("commandstats"))
  models.setLimit(provided)

  expect(await Effect.runPromise(Effect.provide(work(scans), client))).toBe(scans)
  const calls = models.calls.slice(warm)
  // the first window still contains the calls before
  const since = calls[0]!.at + limit.windowMillis
  const windows = Math.floor((calls.at(-1)!.at - since) / limit.windowMillis)
  const within = calls.filter(({ at }) => at >= since && at < since + windows * limit.windowMillis).length
  process.stdout.write(
    `${within} calls in ${windows} windows, ${((100 * within) / (windows * limit.requests)).toFixed(1)} % of the limit; ` +
      `${models.refused} of ${calls.length + models.refused} refused; ` +
      `${((scripts(await outside.info("commandstats")) - before) / scans).toFixed(1)} scripts a scan\n`
  )
  expect(calls.length).toBe(scans)
  expect(models.refused).toBe(0)
})

it("a scrape has how long calls waited for a limit, and the breaker's current state, whoever changed it", async () => {
  const scrape = async () => (await fetch(`${system.processes[0]!.address}/metrics`)).text()
  const state = (text: string) => /^eco2_breaker_state\{[^}]*name="openai\/gpt-5.2"[^}]*\} (\d)/m.exec(text)?.[1]
  const before = await scrape()
  expect(before).toMatch(/^eco2_limit_wait_seconds_count\{[^}]*limit="model\/gpt-5.2"[^}]*\} [1-9]/m)
  expect(state(before)).toBe("0")
  await system.outside.hset("eco2:breaker:openai/gpt-5.2", "until", Date.now() + 60_000)
  expect(state(await scrape())).toBe("2")
})
