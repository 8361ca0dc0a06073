/**
 * A limit in real time: `npm run bench:limit [-- requests window-seconds fibers processes]`, by default 50 requests a minute
 * for 120 fibers of 4 processes, which takes two minutes. Prints the most grants in any window by Redis's clock, the share of
 * the limit that was used, and the cost of waiting. No test asserts on any of it.
 */
import { Redis } from "ioredis"
import { start } from "../../packages/core/src/server/RedisServer.ts"
import * as Child from "../fault/Child.ts"

const [requests = 50, windowSeconds = 60, fibers = 120, processes = 4] = process.argv.slice(2).map(Number)
const windowMillis = windowSeconds * 1_000

const server = await start()
const outside = new Redis(server.url)
const grants: Array<{ readonly at: number; readonly waited: number }> = []
const takers = Array.from({ length: processes }, (_, i) =>
  Child.start({
    name: `taker ${i}`,
    file: "test/core/limit/taker.ts",
    env: {
      REDIS_URL: server.url,
      REQUESTS: String(requests),
      WINDOW_MS: String(windowMillis),
      FIBERS: String(Math.ceil(fibers / processes))
    },
    hear: ({ at, waited }) => {
      if (typeof at === "number" && typeof waited === "number") grants.push({ at, waited })
    }
  })
)
await Promise.all(takers.map(({ exited }) => exited))
const stats = [...(await outside.info("commandstats")).matchAll(/cmdstat_eval(?:sha)?:calls=(\d+),usec=(\d+)/g)]
const sum = (at: number) => stats.reduce((total, row) => total + Number(row[at]), 0)
const calls = sum(1)
outside.disconnect()
await server.stop()

const times = grants.map(({ at }) => at).toSorted((a, b) => a - b)
let most = 0
for (let from = 0, to = 0; to < times.length; to++) {
  while (times[to]! - times[from]! > windowMillis) from++
  most = Math.max(most, to - from + 1)
}
const lateness = times.slice(requests).map((at, i) => at - times[i]! - windowMillis)
console.log(
  `${times.length} grants in ${((times.at(-1)! - times[0]!) / 1_000).toFixed(1)} s; most in any window: ${most}`
)
console.log(`a window's n-th after the one before it: ${Math.min(...lateness)} to ${Math.max(...lateness)} ms beyond`)
console.log(
  `${(calls / grants.length).toFixed(2)} scripts a fiber (takes of one tick share one), ${(sum(2) / grants.length).toFixed(0)} µs of Redis a fiber; ` +
    `${grants.filter(({ waited }) => waited > 0).length} of ${grants.length} had to wait`
)
