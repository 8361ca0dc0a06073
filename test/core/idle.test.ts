/**
 * What an idle worker costs Redis: at most 30 client commands a minute.
 * Measured over 24 s of real time by MONITOR, which shows every command of every client and marks those inside scripts.
 * Why the number may be multiplied up: beats (every 5 s) and blocking reads (every 20 s) are regular, and the work done once
 * a minute (the look at the own pending lists, after one lease) lies inside the window, so that it is counted 2.5 times:
 * the minute told here is dearer than a real one.
 */
import { expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, Schema, Scope } from "effect"
import { Redis } from "ioredis"
import { Schedule, Topic } from "@eco2/core"
import * as Fleet from "./CoreFixture.ts"

const redis = Fleet.privateRedis()
const windowSeconds = 24
const Policies = Topic.make("policies", { event: Schema.String })

it.live(
  "an idle worker of three stages and five schedules that follows a topic sends at most 30 client commands a minute",
  () =>
    Effect.gen(function* () {
      const schedules = Array.from({ length: 5 }, (_, i) =>
        Schedule.every(
          `weekly-${i}`,
          { interval: "7 days" },
          { pipeline: Fleet.ParcelPipeline, input: () => ({ weight: 1 }) }
        )
      )
      const worker = yield* Fleet.working(redis.url, Layer.mergeAll(Fleet.parcelBehaviors(), ...schedules), {
        lease: Duration.seconds(15)
      })
      const scope = yield* Effect.scope
      yield* worker.run(Effect.provideService(Topic.mirror(Policies), Scope.Scope, scope))
      const id = yield* worker.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      const connection = new Redis(redis.url)
      const monitor = yield* Effect.promise(() => connection.monitor())
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          monitor.disconnect()
          connection.disconnect()
        })
      )
      const commands: Array<string> = []
      monitor.on("monitor", (_time: string, args: ReadonlyArray<string>, source: string) => {
        if (source !== "lua") commands.push(`${args[0]} ${args[3] ?? ""}`)
      })
      // a start looks at every partition within its first second
      yield* Effect.sleep(Duration.seconds(2))
      commands.length = 0
      // a rate takes time to be measured
      yield* Effect.sleep(Duration.seconds(windowSeconds))
      expect(commands.length, commands.join("\n")).toBeGreaterThan(3)
      expect((commands.length * 60) / windowSeconds, commands.join("\n")).toBeLessThanOrEqual(30)
    }),
  40_000
)
