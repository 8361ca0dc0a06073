/** Work that waits where nobody reads: found, said once, and shown until somebody serves it. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Metric, Schema, Scope } from "effect"
import { Actor, Behavior, StageBehavior } from "@eco2/core"
import { Unserved } from "@eco2/core/operations"
import { Gauges, Metrics } from "@eco2/core/telemetry"
import * as UnservedWatch from "../../../packages/core/src/layers/UnservedWatch.ts"
import * as Fleet from "../CoreFixture.ts"
import * as LogLines from "../redis/LogLines.ts"

const redis = Fleet.privateRedis()
const text = "mailbox has work and no process serves it"
const quick = { periodMillis: 200, secondLookMillis: 50, leastAgeMillis: 100 }
const Lost = Actor.make("lost-and-found", { Found: Actor.tell({ payload: Schema.String }) })

const found = (process: Fleet.Process<Fleet.Services>, leastAgeMillis = 0) =>
  Effect.map(
    process.run(
      Unserved.Unserved.use((unserved) =>
        Effect.flatMap(unserved.known, (names) => unserved.find(names, leastAgeMillis))
      ).pipe(Effect.orDie, Effect.provide(Unserved.layer))
    ),
    (all) => all.map(({ mailbox }) => mailbox).toSorted((a, b) => (a < b ? -1 : 1))
  )

/** A process with the watch, its log, and what its /metrics would show. */
const watching = Effect.fnUntraced(function* () {
  const process = yield* Fleet.joined(redis.url)
  const scope = yield* Effect.scope
  const lines = LogLines.make()
  const gauges = Context.get(yield* Layer.build(Gauges.layer), Gauges)
  yield* process.run(
    UnservedWatch.make(() => [], quick).pipe(
      Effect.provideService(Gauges, gauges),
      Effect.provideService(Scope.Scope, scope),
      Effect.provide(Layer.merge(Unserved.layer, lines.layer))
    )
  )
  const shown = (mailbox: string) =>
    Effect.andThen(
      gauges.readAll,
      Effect.map(Metric.value(Metric.withAttributes(Metrics.mailboxUnserved, { mailbox })), ({ value }) => value)
    )
  return { process, lines, shown }
})

describe("a mailbox with work", () => {
  it.live(
    "a mailbox that was never served, which a definition of this process names, is unserved once it has work",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        expect(yield* found(client)).toEqual([])
        yield* client.run(Effect.orDie(Lost.tell("ann", "Found", "a glove")))
        yield* client.run(Fleet.submit())
        expect(yield* found(client)).toEqual(["lost-and-found", "parcel.weigh"])
        // younger than asked for
        expect(yield* found(client, 600_000)).toEqual([])
      })
  )

  it.live("a mailbox whose only worker has stopped or died is unserved; one that lives, though busy, serves it", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      let begun = 0
      const endless = Effect.suspend(() => {
        begun++
        return Effect.never
      })
      const one = Layer.merge(
        StageBehavior.layer(
          Fleet.ParcelPipeline,
          "weigh",
          Effect.succeed(() => endless)
        ),
        Behavior.layer(Lost, Effect.succeed({ Found: () => endless }), { concurrency: 1 })
      )
      const lease = { lease: Duration.seconds(1), shutdownGrace: Duration.millis(1) }
      const worker = yield* Fleet.working(redis.url, one, lease)
      yield* client.run(Fleet.submit())
      for (const thing of ["a glove", "a hat"]) yield* client.run(Effect.orDie(Lost.tell("ann", "Found", thing)))
      yield* Fleet.until(
        Effect.sync(() => begun),
        (count) => count === 2
      )
      expect(yield* found(client)).toEqual([])
      yield* worker.stop
      expect(yield* found(client)).toEqual(["lost-and-found", "parcel.weigh"])
      // a process that dies leaves its name with the entry it held
      const hand = yield* Fleet.byHand(yield* Fleet.joined(redis.url, { lease: Duration.seconds(3) }), "hand")
      yield* hand.take("weigh")
      expect(yield* found(client)).toEqual(["lost-and-found"])
      yield* Fleet.until(found(client), (mailboxes) => mailboxes.includes("parcel.weigh"))
    })
  )
})

describe("the watch for unserved mailboxes", () => {
  it.live("a mailbox that nobody serves is logged once by two processes that watch, and shown until it is served", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* watching(), yield* watching()]
      yield* first.process.run(Effect.orDie(Lost.tell("ann", "Found", "a glove")))
      const said = Effect.sync(() => [...first.lines.of(text), ...second.lines.of(text)])
      yield* Fleet.until(said, (lines) => lines.length > 0)
      expect((yield* said)[0]).toMatchObject({ level: "Error", facts: { mailbox: "lost-and-found", entries: 1 } })
      const shown = Effect.all([first.shown(Lost.name), second.shown(Lost.name)])
      yield* Fleet.until(shown, (values) => values.includes(1))
      // both have asked for the turn several times since
      const asked = Effect.map(first.process.send("INFO", "commandstats"), (stats) =>
        Number(/cmdstat_evalsha:calls=(\d+)/.exec(String(stats))?.[1])
      )
      const before = yield* asked
      yield* Fleet.until(asked, (calls) => calls >= before + 16)
      expect((yield* said).length).toBe(1)
      yield* Fleet.working(redis.url, Behavior.layer(Lost, Effect.succeed({ Found: () => Effect.void })))
      yield* Fleet.until(found(first.process), (mailboxes) => mailboxes.length === 0)
    })
  )
})
