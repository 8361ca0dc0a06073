/**
 * `npm run test:crashes`: what becomes of 200 jobs with calls of 4–10 s on two workers (A2), in two trials:
 *   killed  the workers are killed in turn every 3–8 s for CRASH_SECONDS (300), and started again
 *   deadly  one job kills its process; nothing else does
 * It prints the figures of docs/faults.md. Exit code 1 if more than 1 % of the harmless jobs failed, or the deadly one was not
 * given up within ten crashes. CRASH_LEASE ("2 seconds") is the workers' LEASE, CRASH_TRIAL runs one of the two.
 */
import { Client, CoreConfig, JobStore, Pipeline, Setting } from "@eco2/core"
import type { Job } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import { Config, Duration, Effect, Layer, References } from "effect"
import { setTimeout as delay } from "node:timers/promises"
import { between, chance } from "./Chance.ts"
import * as Child from "./Child.ts"
import { LongCall } from "./LongCall.ts"

const jobs = 200
const deadlyNumber = 77
const workers = ["worker-0", "worker-1"]
const mostMinutes = 20

const settings = Config.all({
  seconds: Setting.integer("CRASH_SECONDS", { default: 300, min: 1, max: 86_400 }),
  lease: Setting.duration("CRASH_LEASE", { default: "2 seconds", min: "300 millis" }),
  seed: Setting.integer("CRASH_SEED", { default: 1, min: 0, max: 1_000_000 }),
  trial: Config.withDefault(Config.String("CRASH_TRIAL"), "")
})

interface Place {
  readonly name: string
  child: Child.Child | null
}

const trial = Effect.fnUntraced(function* (options: {
  readonly kills: boolean
  readonly seconds: number
  readonly lease: Duration.Duration
  readonly seed: number
}) {
  const redis = yield* RedisServer.scoped()
  const calls = new Map<number, number>()
  let crashes = 0
  let over = false
  const places = workers.map((name): Place => ({ name, child: null }))
  const launch = async (place: Place) => {
    const env = {
      REDIS_URL: redis.url,
      LEASE: `${Duration.toMillis(options.lease)} millis`,
      LOG_LEVEL: "info"
    }
    const child = Child.start({
      name: place.name,
      file: "test/fault/crashingWorker.ts",
      env,
      hear: ({ msg, number }) => {
        if (msg === "call begins") calls.set(Number(number), (calls.get(Number(number)) ?? 0) + 1)
      }
    })
    place.child = child
    void child.exited.then(async () => {
      if (over) return
      crashes++
      await delay(500)
      if (!over) await launch(place)
    })
    await child.said((line) => line.msg === "serving")
  }
  yield* Effect.promise(() => Promise.all(places.map(launch)))
  yield* Effect.addFinalizer(() =>
    Effect.promise(async () => {
      over = true
      for (const { child } of places) child?.signal("SIGKILL")
      for (const { child } of places) await child?.exited
    })
  )

  const client = Client.layer.pipe(
    Layer.provide(
      Layer.merge(RedisClient.layerUrl(redis.url), CoreConfig.layerWith({ lease: options.lease, userConcurrency: 0 }))
    )
  )
  return yield* Effect.gen(function* () {
    const numbers = Array.from({ length: jobs }, (_, number) => number)
    const ids = yield* Effect.forEach(
      numbers,
      (number) =>
        Pipeline.submit(
          LongCall,
          { number, deadly: !options.kills && number === deadlyNumber },
          { owner: `user-${number % 25}`, key: `call-${number}` }
        ),
      { concurrency: 50 }
    )
    const started = performance.now()
    const since = () => (performance.now() - started) / 1_000
    let killed = 0
    const killer = Effect.gen(function* () {
      while (since() < options.seconds) {
        yield* Effect.sleep(between(chance(options.seed, "kill", killed), 3_000, 8_000))
        places[killed++ % places.length]?.child?.signal("SIGKILL")
      }
    })
    if (options.kills) yield* Effect.forkScoped(killer)
    const ended: Array<{ readonly number: number; readonly state: Job.JobState; readonly after: number }> = []
    let open = numbers
    while (open.length > 0 && since() < mostMinutes * 60) {
      yield* Effect.sleep("1 second")
      const left: Array<number> = []
      for (const number of open) {
        const job = yield* JobStore.JobStore.use((store) => store.get(ids[number]!.id))
        const state = job?.state ?? "failed"
        if (state === "done" || state === "failed" || state === "cancelled")
          ended.push({ number, state, after: since() })
        else left.push(number)
      }
      open = left
    }
    const done = ended.filter(({ state }) => state === "done")
    const within = (seconds: number) => done.filter(({ after }) => after <= seconds).length
    return {
      done: done.length,
      failed: ended.filter(({ state }) => state === "failed").map(({ number }) => number),
      open: open.length,
      crashes,
      calls: [...calls.values()].reduce((sum, n) => sum + n, 0),
      most: Math.max(...calls.values()),
      deadlyCalls: calls.get(deadlyNumber) ?? 0,
      doneBy: [15, 30, 60, 120, 300].map((seconds) => `${seconds} s: ${within(seconds)}`).join(", "),
      seconds: Math.round(since())
    }
  }).pipe(Effect.provide(client))
}, Effect.scoped)

const program = Effect.gen(function* () {
  const { lease, seconds, seed, trial: only } = yield* settings
  let violated = false
  for (const name of ["killed", "deadly"]) {
    if (!name.includes(only)) continue
    const kills = name === "killed"
    const result = yield* trial({ kills, seconds, lease, seed })
    const harmless = result.failed.filter((number) => kills || number !== deadlyNumber).length
    console.log(name, { ...result, repeated: result.calls - jobs, harmlessFailed: harmless })
    violated ||= harmless > jobs / 100 || result.open > 0
    if (!kills) violated ||= result.deadlyCalls > 10 || !result.failed.includes(deadlyNumber)
  }
  process.exitCode = violated ? 1 : 0
})

Effect.runPromise(Effect.provideService(program, References.MinimumLogLevel, "Error")).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
