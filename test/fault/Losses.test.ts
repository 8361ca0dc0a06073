/**
 * The parts of `npm run test:loss`, and one kill of each mode that is quick to set up, so that the script still measures what
 * docs/operations/redis.md describes.
 */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import { RedisClient } from "@eco2/core/redis"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Losses from "./Losses.ts"
import { modes } from "./RedisMode.ts"
import type { Death, RedisMode } from "./RedisMode.ts"
import * as SyncTrace from "./SyncTrace.ts"
import * as Program from "../harness/Program.ts"

const obstacle = SyncTrace.obstacle()

const modeOf = (name: string) => {
  const mode = modes.find((one) => one.name === name)
  if (mode === undefined) throw new Error(`no mode is called ${name}`)
  return mode
}
const kill = (name: string, death: Death) =>
  Losses.kill({ mode: modeOf(name), death, seed: 1, round: 0, afterMillis: 0, afterAcknowledged: 200 })

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "eco2-losses-"))),
  (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
)

const Entries = Schema.Array(Schema.Tuple([Schema.String, Schema.Unknown]))

describe("SyncTrace", () => {
  const file = "8</data/appendonly.aof.1.incr.aof>"

  it("a sync that returned covers what was written before it began, not what was written while it ran", () => {
    const lines = [
      `10  write(${file}, ""..., 100) = 100`,
      `11  fdatasync(${file} <unfinished ...>`,
      `10  write(${file}, ""..., 50) = 50`,
      `11  <... fdatasync resumed>) = 0`,
      `10  +++ killed by SIGKILL +++`
    ]
    expect(SyncTrace.read(lines, 10)).toEqual({ written: 150, durable: 100, underWay: 0, over: true })
  })

  it("a sync that failed, or that the kill interrupted, covers nothing", () => {
    const lines = [
      `10  write(${file}, ""..., 100) = 100`,
      `10  fdatasync(${file}) = -1 EIO (Input/output error)`,
      `11  fdatasync(${file} <unfinished ...>`,
      `11  <... fdatasync resumed>) = ?`,
      `11  +++ killed by SIGKILL +++`
    ]
    expect(SyncTrace.read(lines, 10)).toEqual({ written: 100, durable: 0, underWay: 0, over: false })
  })

  it("a write counts once it has returned, with as many bytes as it wrote", () => {
    const lines = [
      `10  write(${file}, ""..., 100 <unfinished ...>`,
      `11  fdatasync(${file}) = 0 (DELAYED)`,
      `10  <... write resumed>) = 60`,
      `11  fsync(${file}) = 0`,
      `10  write(${file}, ""..., 30 <unfinished ...>`
    ]
    expect(SyncTrace.read(lines, 10)).toEqual({ written: 60, durable: 60, underWay: 30, over: false })
  })

  it.effect("a file is cut back to its last sync, and left alone when the trace does not account for its size", () =>
    Effect.gen(function* () {
      const made = yield* folder
      const file = join(made, "data")
      const trace = SyncTrace.make(made, file)
      const lines = [`10  write(8<${file}>, ""..., 7) = 7`, `10  fdatasync(8<${file}>) = 0`]
      const after = [`10  write(8<${file}>, ""..., 5) = 5`, `10  +++ killed by SIGKILL +++`]
      writeFileSync(file, "a".repeat(12))
      writeFileSync(join(made, "trace"), [...lines, ...after].join("\n"))
      expect(yield* trace.cut(10)).toBe(5)
      expect(statSync(file).size).toBe(7)
      // the same trace again: the file has fewer bytes than the trace shows
      const refusal = yield* Effect.flip(trace.cut(10))
      expect(refusal.message).toContain("tells of 12 bytes (0 more under way), the file has 7")
      expect(statSync(file).size).toBe(7)
    })
  )

  it.effect("a machine without a usable strace says why", () =>
    Effect.gen(function* () {
      const bin = yield* folder
      expect(SyncTrace.obstacle(bin)).toBe("strace is not installed")
      Program.write(join(bin, "strace"), ["echo ptrace: Operation not permitted >&2", "exit 1"])
      expect(SyncTrace.obstacle(bin)).toBe("strace may not trace here: ptrace: Operation not permitted")
    })
  )
})

describe("Losses.kill", () => {
  it.live("Redis without persistence loses every acknowledged job at a kill", () =>
    Effect.gen(function* () {
      const { acknowledged, lost } = yield* kill("no persistence", "process kill")
      expect(acknowledged).toBeGreaterThanOrEqual(200)
      expect(lost).toBe(acknowledged)
    })
  )

  it.live("Redis with WAIT 1 loses no job that its replica confirmed", () =>
    Effect.gen(function* () {
      const { acknowledged, lost, torn } = yield* kill("replica + WAIT 1", "power loss")
      expect(acknowledged).toBeGreaterThanOrEqual(200)
      expect([lost, torn]).toEqual([0, 0])
    })
  )

  it.live("a submit that no replica confirmed does not count as acknowledged with WAIT", () =>
    Effect.gen(function* () {
      const mode = { ...modeOf("no persistence"), waits: true }
      const options = {
        mode,
        death: "process kill",
        seed: 1,
        round: 0,
        afterMillis: 100,
        afterAcknowledged: 0
      } as const
      expect((yield* Losses.kill(options)).acknowledged).toBe(0)
    })
  )

  it.live("Redis that syncs before every answer loses no job at a kill, nor at a power loss where it is traced", () =>
    Effect.gen(function* () {
      const deaths: ReadonlyArray<Death> = obstacle === null ? ["process kill", "power loss"] : ["process kill"]
      for (const death of deaths) {
        const { acknowledged, lost, torn } = yield* kill("AOF always", death)
        expect(acknowledged).toBeGreaterThanOrEqual(200)
        expect([lost, torn]).toEqual([0, 0])
      }
    })
  )

  it.live("J3 jobs that came back in part are counted as torn", () =>
    Effect.gen(function* () {
      const always = modeOf("AOF always")
      const spoil = Effect.fnUntraced(function* (url: string) {
        const { scan, send } = Context.get(yield* Layer.build(RedisClient.layerUrl(url)), RedisClient.RedisClient)
        const [timers = ""] = yield* scan("*:timers")
        yield* send("ZPOPMIN", timers)
        // of another partition: one missing thing on each side would balance out
        const elsewhere = (yield* scan("*:mailbox:*")).find((key) => !key.startsWith(timers.replace(/:timers$/, "")))!
        const [entry] = Schema.decodeUnknownSync(Entries)(yield* send("XRANGE", elsewhere, "-", "+", "COUNT", 1))
        yield* send("XDEL", elsewhere, entry![0])
      })
      const mode: RedisMode = {
        ...always,
        stand: (death) =>
          Effect.map(always.stand(death), (standing) => ({
            ...standing,
            comeBack: Effect.tap(standing.comeBack, spoil)
          }))
      }
      const options = { mode, death: "process kill", seed: 1, round: 0, afterMillis: 0, afterAcknowledged: 50 } as const
      const { lost, torn } = yield* Losses.kill(options)
      // the job without a timer, its partition's count, the other's
      expect([lost, torn]).toEqual([0, 3])
    })
  )

  // the first write is synced at once, the next a second later: writes in between are in the page cache alone
  it.live.skipIf(obstacle !== null)(
    "J3 Redis with a sync a second loses the jobs since the last sync at a power loss, each of them whole",
    () =>
      Effect.gen(function* () {
        const { acknowledged, lost, reachMillis, torn } = yield* kill("AOF everysec", "power loss")
        expect(lost).toBeGreaterThan(0)
        expect(lost).toBeLessThanOrEqual(acknowledged)
        expect(reachMillis).toBeGreaterThan(0)
        expect(torn).toBe(0)
      })
  )
})

describe("the table of losses", () => {
  const loss = (acknowledged: number, lost: number, reachMillis: number): Losses.Loss => ({
    acknowledged,
    lost,
    reachMillis,
    torn: 0,
    perSecond: 1
  })

  it("the table of losses has sums, median, worst and longest reach, and a dash where nothing was measured", () => {
    const kills = [loss(1_000, 0, 0), loss(2_000, 1_200, 1_234), loss(3_000, 7, 9.96)]
    const rows = Losses.table([{ mode: "one", byDeath: { "process kill": kills, "power loss": [] } }])
    expect(rows.at(-1)).toBe("| one | 1,207 of 6,000 | 7 / 1,200 | 1.23 s | - | - | - |")
    expect(Losses.cells([loss(3, 0, 0)])).toEqual(["0 of 3", "0 / 0", "-"])
    expect(Losses.cells([loss(3, 3, 20)])).toEqual(["3 of 3", "3 / 3", "all"])
  })

  it("the table of docs/operations/redis.md has a row for every mode and no other, under the script's own heads", () => {
    const text = readFileSync(new URL("../../docs/operations/redis.md", import.meta.url), "utf8")
    const [head = ""] = Losses.table([])
    const shown = text.slice(text.indexOf(head)).split("\n\n", 1)[0] ?? ""
    const names = shown.split("\n").flatMap((line) => line.split(" | ")[0]?.replace("| ", "") ?? [])
    expect(names.slice(2)).toEqual(modes.map(({ name }) => name))
  })
})
