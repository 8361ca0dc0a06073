/** The number of streams by the limit of open files, and the warning if that limit is unknown. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import * as OpenFiles from "../../../packages/gateway/src/events/OpenFiles.ts"
import * as LogLines from "../../core/redis/LogLines.ts"

const folder = mkdtempSync(join(tmpdir(), "eco2-limits-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const limits = join(folder, "limits")
writeFileSync(limits, "Limit    Soft Limit  Hard Limit  Units\nMax open files   1024   1024   files\n")

const found = (file: string) =>
  Effect.gen(function* () {
    const logs = LogLines.make()
    const viewers = yield* OpenFiles.viewersWithin(10_000, file).pipe(Effect.provide(logs.layer))
    return { viewers, said: logs.lines.map(({ text }) => text) }
  })

it.effect("a limit of 1,024 open files leaves room for 924 streams, and a warning says so", () =>
  Effect.gen(function* () {
    expect(yield* found(limits)).toEqual({
      viewers: 924,
      said: ["the limit of open files (ulimit -n) allows fewer streams than MAX_VIEWERS"]
    })
  })
)

it.effect("a system that has no file of limits lowers nothing and says nothing", () =>
  Effect.gen(function* () {
    expect(yield* found(join(folder, "absent"))).toEqual({ viewers: 10_000, said: [] })
  })
)

it.effect("a limit that cannot be read lowers nothing, and a warning says so", () =>
  Effect.gen(function* () {
    expect(yield* found(folder)).toEqual({
      viewers: 10_000,
      said: ["the limit of open files cannot be read; MAX_VIEWERS is unchanged"]
    })
  })
)
