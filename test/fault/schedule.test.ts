/**
 * A schedule of one second, declared by five processes, one of which is killed again and again: each slot has one job.
 * SCHEDULE_SECONDS sets the duration.
 */
import { RedisServer } from "@eco2/core/testing"
import { Redis } from "ioredis"
import { setTimeout as delay } from "node:timers/promises"
import { expect, it } from "vitest"
import { size } from "../harness/Long.ts"
import * as Child from "./Child.ts"

const seconds = size("SCHEDULE_SECONDS", { short: 10, long: 60 })

it(
  `T1 in ${seconds} s a schedule fires ${seconds} slots, one more or less, none twice, while its processes are killed`,
  async () => {
    const redis = await RedisServer.start()
    const outside = new Redis(redis.url)
    const firedBy = new Map<string, Array<string>>()
    const start = (_: unknown, i: number) => {
      const name = `worker-${i}`
      return Child.start({
        name,
        file: "test/fault/ticker.ts",
        env: { REDIS_URL: redis.url, WORKER: name, LEASE: "2 seconds", LOG_LEVEL: "info" },
        hear: ({ msg, slot }) => {
          if (msg === "schedule fired") firedBy.set(String(slot), [...(firedBy.get(String(slot)) ?? []), name])
        }
      })
    }
    const children = Array.from({ length: 5 }, start)
    try {
      const serving = await Promise.all(children.map((child) => child.said((line) => line.msg === "serving")))
      expect(serving).not.toContain(null)
      const [key = ""] = await outside.keys("eco2:*:cron:ticker")
      const fires = async () => Number(await outside.hget(key, "fires"))
      const [before, begun] = [await fires(), performance.now()]
      const elapsed = () => performance.now() - begun
      const over = delay(seconds * 1_000).then(() => null)
      let kills = 0
      for (let begins = true; begins;) {
        const i = (kills++ * 3) % children.length
        children[i]!.signal("SIGKILL")
        await children[i]!.exited
        children[i] = start(undefined, i)
        // the next one is killed when this one is back
        const next = await Promise.race([
          over,
          children[i].said((line) => line.msg === "serving").then((said) => said?.msg)
        ])
        expect(next, "the worker ended by itself").not.toBe(undefined)
        begins = next !== null
      }
      const [fired, passed] = [(await fires()) - before, elapsed() / 1_000]
      for (const child of children) child.signal("SIGKILL")
      const jobs = (await outside.keys("eco2:*:job:*")).filter((name) => !name.endsWith(":events"))
      const slots = await Promise.all(
        jobs.map(async (job) => Date.parse(JSON.parse((await outside.hget(job, "input")) ?? "{}").slot))
      )
      const ordered = slots.toSorted((a, b) => a - b)
      const holes = ordered.filter((slot, i) => i > 0 && slot - ordered[i - 1]! > 1_000).length
      const figures = `${fired} fires in ${passed.toFixed(2)} s, ${kills} kills, ${ordered.length} jobs, ${holes} slots missed`
      if (seconds > 10) console.info(figures)
      expect(passed, figures).toBeGreaterThanOrEqual(seconds)
      expect(new Set(slots).size, figures).toBe(slots.length)
      expect(
        [...firedBy].filter(([, names]) => names.length > 1),
        figures
      ).toEqual([])
      expect(Math.abs(fired - passed), figures).toBeLessThanOrEqual(1)
    } finally {
      for (const child of children) child.signal("SIGKILL")
      outside.disconnect()
      await redis.stop()
    }
  },
  seconds * 1_000 + 60_000
)
