import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Session } from "node:inspector/promises"
import { writeFileSync } from "node:fs"
import * as Fleet from "../CoreFixture.ts"
import * as Play from "./JobPlay.ts"
const redis = Fleet.privateRedis({}, { emptied: false })
it("prof", async () => {
  const s = new Session()
  s.connect()
  await s.post("Profiler.enable")
  await s.post("Profiler.start")
  const t = performance.now(),
    c0 = process.cpuUsage()
  await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const p = yield* Fleet.joined(redis.url, { partitions: 32 })
        const stage = yield* Play.stageOn(p)
        const free = [...stage.partitions]
        yield* Effect.forEach(
          Array.from({ length: 500 }, (_, i) => 1 + i),
          (seed) =>
            Effect.gen(function* () {
              const part = free.pop()!
              yield* Play.play(stage, part, seed, Play.movesOf(seed))
              free.push(part)
            }),
          { concurrency: 32, discard: true }
        )
        const info = String(yield* p.send("INFO", "cpu"))
        console.log(
          info,
          String(yield* p.send("INFO", "commandstats"))
            .split("\n")
            .filter((l) => /evalsha|cmdstat_(keys|xread|xgroup|del)/.test(l))
            .join("\n")
        )
        console.log("steps", stage.tally.steps)
      })
    )
  )
  const c = process.cpuUsage(c0)
  console.log("wall", performance.now() - t, "cpu", (c.user + c.system) / 1000)
  const { profile } = await s.post("Profiler.stop")
  writeFileSync("/tmp/prof/a.cpuprofile", JSON.stringify(profile))
  expect(1).toBe(1)
}, 100000)
