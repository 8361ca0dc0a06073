/** How the README runs a worker: real processes, stopped by real signals. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Pipeline } from "@eco2/core"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Child from "../../fault/Child.ts"
import * as Fleet from "../CoreFixture.ts"
import { Called } from "./CallPipeline.ts"

const redis = Fleet.privateRedis()

/** Starts workers; the ledger shows the calls they made, in order. */
const running = Effect.gen(function* () {
  const folder = mkdtempSync(join(tmpdir(), "eco2-running-"))
  const file = join(folder, "ledger")
  writeFileSync(file, "")
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
  const ledger = Effect.sync(() => readFileSync(file, "utf8").split("\n").filter(Boolean))
  const start = (env: Readonly<Record<string, string>> = {}) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const lines: Array<string> = []
        const child = Child.start({
          name: "caller",
          file: "test/core/worker/caller.ts",
          env: { REDIS_URL: redis.url, LEDGER: file, LEASE: "2 seconds", ...env },
          hear: (line) => void lines.push(JSON.stringify(line))
        })
        return { child, said: () => lines.join("\n") }
      }),
      ({ child }) => Effect.sync(() => child.signal("SIGKILL"))
    )
  return { ledger, start }
})
const exitOf = (child: Child.Child) => Effect.promise(() => child.exited)

describe("Worker.run", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it.live(
      `A5 a worker run as the README says finishes the call under way at ${signal}, which is not made again, and exits with 0`,
      () =>
        Effect.gen(function* () {
          const { ledger, start } = yield* running
          const client = yield* Fleet.joined(redis.url)
          const first = yield* start({ CALL_MILLIS: "2000" })
          const submit = Pipeline.submit(Called, "it", { owner: null, key: null })
          const { id } = yield* client.run(Effect.orDie(submit))
          yield* Fleet.until(ledger, (calls) => calls.length > 0)
          first.child.signal(signal)
          expect(yield* exitOf(first.child)).toBe(0)
          expect(yield* ledger).toEqual(["begun it", "ended it"])
          expect((yield* client.run(Fleet.jobOf(id))).state).toBe("done")
          // another worker finds nothing to do: it takes a job submitted now, and no other
          yield* start()
          yield* client.run(Effect.orDie(Pipeline.submit(Called, "next", { owner: null, key: null })))
          yield* Fleet.until(ledger, (calls) => calls.includes("ended next"))
          expect(yield* ledger).toEqual(["begun it", "ended it", "begun next", "ended next"])
        }),
      60_000
    )
  }

  it.live(
    "A5 a worker whose call outlasts SHUTDOWN_GRACE hands it back at SIGTERM and exits with 0; another makes it at once",
    () =>
      Effect.gen(function* () {
        const { ledger, start } = yield* running
        const client = yield* Fleet.joined(redis.url)
        const first = yield* start({ CALL_MILLIS: "600000", SHUTDOWN_GRACE: "100 millis", LEASE: "10 minutes" })
        const { id } = yield* client.run(Effect.orDie(Pipeline.submit(Called, "it", { owner: null, key: null })))
        yield* Fleet.until(ledger, (calls) => calls.length > 0)
        first.child.signal("SIGTERM")
        expect(yield* exitOf(first.child)).toBe(0)
        expect(yield* client.run(Fleet.jobOf(id))).toMatchObject({ state: "waiting", attempts: 0 })
        yield* start()
        yield* Fleet.until(client.run(Fleet.jobOf(id)), ({ state }) => state === "done")
        expect(yield* ledger).toEqual(["begun it", "begun it", "ended it"])
      }),
    60_000
  )

  for (const [program, env, code, reason] of [
    ["a program that ends", { PROGRAM: "ends" }, 0, ""],
    ["a program that fails", { PROGRAM: "fails" }, 1, "worker cannot go on: the program failed"],
    ["a wrong setting", { PARTITIONS: "none" }, 1, "worker cannot go on: PARTITIONS is"]
  ] as const) {
    it.live(
      `a worker run with ${program} exits with ${code}${reason === "" ? "" : " after one line that says why"}`,
      () =>
        Effect.gen(function* () {
          const { start } = yield* running
          const { child, said } = yield* start(env)
          expect(yield* exitOf(child)).toBe(code)
          expect(said()).toContain(reason)
        })
    )
  }
})
