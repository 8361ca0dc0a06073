/**
 * ProcessTelemetry: what every process tells of itself, under the names that Prometheus's own clients use: CPU, memory, open files,
 * delay of the event loop; and what runs here (version, revision, runtime). Read at a scrape (Gauges). Role has it for every role.
 * Neighbours: EventLoop (the longest stall, which it also logs).
 */
import { Config, Effect, Layer, Metric } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"
import * as Setting from "../config/Setting.ts"
import { Gauges } from "./Gauges.ts"
import * as Metrics from "./Metrics.ts"
import { version } from "./Version.ts"

const settings = Config.all({
  /** REVISION: the commit that runs here, for eco2_build_info; the image has its own. Default "unknown". */
  revision: Setting.parsed("REVISION", {
    default: "unknown",
    allowed: "at most 64 of A-Z, a-z, 0-9, '.', '_', '-'",
    parse: (text) => (/^[A-Za-z0-9._-]{1,64}$/.test(text) ? text : undefined)
  })
})

/** Milliseconds between two samples of the event loop's delay. */
const sampleMillis = 20

/** Null where the system has no such folder or file, or does not let us read it. */
const fromProc = <A>(read: () => A): A | null => {
  try {
    return read()
  } catch {
    return null
  }
}
const openFiles = () => fromProc(() => readdirSync("/proc/self/fd").length)
const mostFiles = () =>
  fromProc(() => Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? NaN))

const set = (gauge: Metric.Gauge<number>, value: number | null) =>
  value === null || Number.isNaN(value) ? Effect.void : Metric.update(gauge, value)

export const layer = (role: string): Layer.Layer<never, Config.ConfigError, Gauges> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const gauges = yield* Gauges
      const { revision } = yield* settings
      const runtime = "deno" in process.versions ? `deno ${process.versions.deno}` : `node ${process.versions.node}`
      const delay = monitorEventLoopDelay({ resolution: sampleMillis })
      yield* Effect.acquireRelease(
        Effect.sync(() => delay.enable()),
        () => Effect.sync(() => delay.disable())
      )
      const limit = mostFiles()
      const started = Date.now() / 1000 - process.uptime()
      let counted = 0
      yield* gauges.register(
        Effect.suspend(() => {
          const { system, user } = process.cpuUsage()
          const cpu = (system + user) / 1e6
          const more = Math.max(0, cpu - counted)
          counted = cpu
          const { external, heapTotal, heapUsed, rss } = process.memoryUsage()
          // a sample is the time from one to the next
          const lag = Math.max(0, delay.percentile(99) / 1e9 - sampleMillis / 1000)
          delay.reset()
          return Effect.all(
            [
              Metric.update(Metrics.cpuSeconds, more),
              set(Metrics.residentMemory, rss),
              set(Metrics.heapUsed, heapUsed),
              set(Metrics.heapTotal, heapTotal),
              set(Metrics.externalMemory, external),
              set(Metrics.openFiles, openFiles()),
              set(Metrics.mostFiles, limit),
              set(Metrics.startTime, started),
              set(Metrics.loopLag, lag),
              Metric.update(Metric.withAttributes(Metrics.buildInfo, { role, version, revision, runtime }), 1)
            ],
            { discard: true }
          )
        })
      )
    })
  )
