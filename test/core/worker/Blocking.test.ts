/** A handler that blocks the event loop for longer than the lease: the process it happened to says so, in log and metric. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Actor, Mailbox } from "@eco2/core"
import * as Lease from "../../../packages/core/src/worker/Lease.ts"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"
import * as Child from "../../fault/Child.ts"

const redis = Fleet.privateRedis()
const Block = Actor.make("block", { Loop: Actor.tell({ payload: Schema.Struct({ millis: Schema.Int }) }) })

describe("a handler that blocks the event loop", () => {
  it.live(
    "A4 a process whose handler blocked its loop beyond the lease logs the stall and the lost lease, and shows the delay",
    () =>
      Effect.gen(function* () {
        const said: Array<Child.Line> = []
        const child = Child.start({
          name: "blocking",
          file: "test/core/worker/blockingWorker.ts",
          env: { REDIS_URL: redis.url, LEASE: "1 second" },
          hear: (line) => said.push(line)
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => child.signal("SIGKILL")))
        const serving = yield* Effect.promise(() => child.said(({ msg }) => msg === "serving"))
        const client = yield* Fleet.joined(redis.url)
        yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("block")))
        const [token = ""] = (yield* client.send("ZRANGE", keyNames.alive, 0, 0)) as ReadonlyArray<string>
        yield* client.run(Block.tell("ann", "Loop", { millis: 4_000 }))
        // condemned as soon as its lease is over
        const condemn = Lease.Lease.use((lease) => Effect.orDie(lease.condemn([token], Fleet.ever)))
        yield* Fleet.until(client.run(condemn), (dead) => dead.includes(token))
        const line = (text: string) =>
          Fleet.until(
            Effect.sync(() => said.find(({ msg }) => msg === text)),
            (found) => found !== undefined
          )
        const stall = yield* line("the event loop stalled: nothing else ran in this process")
        expect(Number(stall?.seconds)).toBeGreaterThan(3)
        const lost = yield* line("lease lost; running work interrupted")
        expect(Number(lost?.loop_stalled_seconds)).toBeGreaterThan(3)
        const metrics = yield* Effect.promise(async () => (await fetch(`${String(serving?.address)}/metrics`)).text())
        // Role and Worker share one watch
        expect(said.filter(({ msg }) => msg === stall?.msg)).toHaveLength(1)
        const delay = /^eco2_event_loop_delay_seconds(?:\{[^}]*\})? (\S+)/m.exec(metrics)?.[1]
        expect(Number(delay)).toBeGreaterThan(3)
      })
  )
})
