/**
 * Many schedules of which few are due: what fires costs calls and processor time, what is declared does not. SCHEDULES sets how
 * many are declared, SCHEDULE_SECONDS the duration; the figures are printed in the long form.
 */
import { RedisServer } from "@eco2/core/testing"
import { Redis } from "ioredis"
import { readFileSync } from "node:fs"
import { setTimeout as delay } from "node:timers/promises"
import { expect, it } from "vitest"
import { isLong, size } from "../harness/Long.ts"
import * as Child from "./Child.ts"

const declared = size("SCHEDULES", { short: 500, long: 5_000 })
const seconds = size("SCHEDULE_SECONDS", { short: 10, long: 60 })
const partitions = 4
/** Of the kernel's clock, by which /proc counts a process's time. */
const ticksPerSecond = 100

const calls = async (redis: Redis): Promise<number> => {
  const stats = await redis.info("commandstats")
  return [...stats.matchAll(/cmdstat_(?:evalsha|eval|fcall):calls=(\d+)/g)].reduce((all, [, n]) => all + Number(n), 0)
}
const redisSeconds = async (redis: Redis): Promise<number> =>
  [...(await redis.info("cpu")).matchAll(/used_cpu_(?:sys|user):([\d.]+)/g)].reduce((all, [, n]) => all + Number(n), 0)
const processSeconds = (pid: number): number => {
  const [, after = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")
  const fields = after.split(" ")
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
const percentile = (sorted: ReadonlyArray<number>, share: number) =>
  sorted[Math.floor((sorted.length - 1) * share)] ?? 0

it(
  `T1 ${declared} schedules, ${declared / 50} of them due each second: each slot fires once, and other schedules cost no call`,
  async () => {
    const redis = await RedisServer.start()
    const outside = new Redis(redis.url)
    const worker = Child.start({
      name: "many",
      file: "test/fault/manySchedules.ts",
      env: {
        REDIS_URL: redis.url,
        WORKER: "many",
        PARTITIONS: String(partitions),
        SCHEDULES: String(declared),
        LOG_LEVEL: "warn"
      },
      hear: ({ msg }) => console.info(msg)
    })
    try {
      const all = async () => (await outside.keys("eco2:*:cron:*")).length
      while ((await all()) < declared) await delay(50)
      const measure = async () => ({
        at: Date.now(),
        calls: await calls(outside),
        redis: await redisSeconds(outside),
        worker: processSeconds(worker.pid)
      })
      const begin = await measure()
      // whole seconds of slots, all of which are fired when the time is over
      const from = Math.ceil(begin.at / 1_000) * 1_000
      const to = from + seconds * 1_000
      await delay(to + 2_000 - Date.now())
      const end = await measure()
      const ticks: Array<{ readonly slot: number; readonly lateMillis: number }> = []
      for (const key of await outside.keys("eco2:*:mailbox:clockwork")) {
        for (const [, fields] of await outside.xrange(key, "-", "+")) {
          const slot = Number(JSON.parse(fields[fields.indexOf("body") + 1]!).slot)
          const lateMillis = Number(fields[fields.indexOf("ts") + 1]) - slot
          if (slot >= from && slot < to) ticks.push({ slot, lateMillis })
        }
      }
      const late = ticks.map(({ lateMillis }) => lateMillis).toSorted((a, b) => a - b)
      const passed = (end.at - begin.at) / 1_000
      const figures =
        `${declared} schedules, ${ticks.length} slots in ${seconds} s: ` +
        `${((end.calls - begin.calls) / passed).toFixed(1)} script calls a second, ` +
        `worker ${(((end.worker - begin.worker) / passed) * 100).toFixed(1)} % of a core, ` +
        `Redis ${(((end.redis - begin.redis) / passed) * 100).toFixed(1)} %, ` +
        `late p50 ${percentile(late, 0.5)} ms, p99 ${percentile(late, 0.99)} ms, most ${late.at(-1)} ms`
      if (isLong) console.info(figures)
      expect(ticks.length, figures).toBe((declared / 50) * seconds)
      expect(late[0], figures).toBeGreaterThanOrEqual(0)
      // a partition's slots of a second share their calls; beats, timers and keeping come on top
      const perSecond = partitions * Math.ceil(declared / 50 / 100 + 1)
      expect((end.calls - begin.calls) / passed, figures).toBeLessThanOrEqual(perSecond + 4)
    } finally {
      worker.signal("SIGKILL")
      await worker.exited
      outside.disconnect()
      await redis.stop()
    }
  },
  seconds * 1_000 + 90_000
)
