/** What a gateway tells of the fleet: mailboxes with the processes that serve them, letters, and processes that died. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Metric, Scope } from "effect"
import { Unserved } from "@eco2/core/operations"
import { Gauges, Metrics } from "@eco2/core/telemetry"
import * as FleetTelemetry from "../../../packages/core/src/layers/FleetTelemetry.ts"
import * as Lease from "../../../packages/core/src/worker/Lease.ts"
import { keyNames } from "../../harness/KeyNames.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()

/** A process that serves nothing, and what its /metrics would show. */
const telling = Effect.gen(function* () {
  const process = yield* Fleet.joined(redis.url)
  const gauges = Context.get(yield* Layer.build(Gauges.layer), Gauges)
  yield* process.run(
    FleetTelemetry.register.pipe(
      Effect.provideService(Gauges, gauges),
      Effect.provideService(Scope.Scope, yield* Effect.scope),
      Effect.provide(Unserved.layer)
    )
  )
  const read = (metric: Metric.Gauge<number>) =>
    Effect.andThen(
      gauges.readAll,
      Effect.map(Metric.value(metric), ({ value }) => value)
    )
  return {
    process,
    servers: (mailbox: string) => read(Metric.withAttributes(Metrics.mailboxServers, { mailbox })),
    letters: (mailbox: string) => read(Metric.withAttributes(Metrics.mailboxLetters, { mailbox })),
    depth: (mailbox: string) => read(Metric.withAttributes(Metrics.mailboxDepth, { mailbox })),
    processes: (state: string) => read(Metric.withAttributes(Metrics.processes, { role: "test", state }))
  }
})

const beats = (name: string, mode: "register" | "beat" | "leave", serves: ReadonlyArray<string> | null = null) =>
  Lease.Lease.use((lease) => Effect.orDie(lease.beat(name, mode, false, serves)))
const long = { lease: Duration.seconds(60) }

describe("what a gateway tells of the fleet", () => {
  it.live("each living process counts as a server of the mailboxes it serves, until it leaves", () =>
    Effect.gen(function* () {
      const { servers } = yield* telling
      const [one, two] = [
        yield* Fleet.working(redis.url, Fleet.parcelBehaviors()),
        yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
      ]
      for (const mailbox of ["parcel.weigh", "parcel.label", "parcel.ship"])
        yield* Fleet.until(servers(mailbox), (count) => count === 2)
      yield* one.stop
      yield* Fleet.until(servers("parcel.weigh"), (count) => count === 1)
      yield* two.stop
      yield* Fleet.until(servers("parcel.weigh"), (count) => count === 0)
    })
  )

  it.live("a process that dies without leaving serves no more once its lease is over, and is told as lost", () =>
    Effect.gen(function* () {
      const { process, processes, servers } = yield* telling
      const other = yield* Fleet.joined(redis.url, long)
      yield* Fleet.byHand(process, "test.stays")
      const dying = yield* Fleet.joined(redis.url)
      yield* other.run(beats("test.stays", "register"))
      yield* other.run(beats("test.stays", "beat", ["parcel.label"]))
      yield* dying.run(beats("test.dies", "register"))
      yield* dying.run(beats("test.dies", "beat", ["parcel.weigh"]))
      expect([yield* servers("parcel.weigh"), yield* servers("parcel.label")]).toEqual([1, 1])
      expect(yield* processes("alive")).toBe(2)
      yield* Fleet.until(servers("parcel.weigh"), (count) => count === 0)
      expect([yield* processes("alive"), yield* processes("expired")]).toEqual([1, 1])
      yield* other.run(Lease.Lease.use((lease) => Effect.orDie(lease.condemn(["test.dies"], Date.now()))))
      expect([yield* processes("expired"), yield* processes("condemned")]).toEqual([0, 1])
      // the next beat of anybody forgets what the dead one served
      yield* other.run(beats("test.stays", "beat", ["parcel.label"]))
      expect(yield* process.send("HGETALL", keyNames.serving)).toEqual(["test.stays", "parcel.label"])
    })
  )

  it.live(
    "a process that has not said yet what it serves, as one of an earlier version, counts for every mailbox",
    () =>
      Effect.gen(function* () {
        const { process, servers } = yield* telling
        yield* Fleet.byHand(process, "test.early")
        const early = yield* Fleet.joined(redis.url, long)
        yield* early.run(beats("test.early", "register"))
        expect([yield* servers("parcel.weigh"), yield* servers("parcel.ship")]).toEqual([1, 1])
        yield* early.run(beats("test.early", "beat", []))
        expect([yield* servers("parcel.weigh"), yield* servers("parcel.ship")]).toEqual([0, 0])
      })
  )

  it.live("depth and letters of a mailbox that nobody serves any more are told by who does not serve it", () =>
    Effect.gen(function* () {
      const { depth, letters, process } = yield* telling
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({ weigh: () => Effect.fail(new Fleet.ScaleBroken()) })
      )
      yield* process.run(Fleet.submit())
      yield* Fleet.until(letters("parcel.weigh"), (count) => count === 1)
      yield* worker.stop
      yield* process.run(Fleet.submit())
      expect([yield* depth("parcel.weigh"), yield* letters("parcel.weigh")]).toEqual([1, 1])
    })
  )
})
