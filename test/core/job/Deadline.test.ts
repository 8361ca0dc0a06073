/** A job still open at its deadline fails, wherever it stands, with a dead letter; each timer is served once (J1). */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, Metric, Schedule } from "effect"
import { Retry } from "@eco2/core"
import { Keys, Keyspace } from "@eco2/core/redis"
import { Metrics } from "@eco2/core/telemetry"
import { DeadLetters } from "@eco2/core/operations"
import * as Timers from "../../../packages/core/src/worker/Timers.ts"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()
const pastDeadline = { clockOffsetMillis: 3_700_000 }
const deadLetters = <A, E>(use: (service: DeadLetters.DeadLetters["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(DeadLetters.DeadLetters, use).pipe(Effect.provide(DeadLetters.layer))
const counted = <A extends Readonly<Record<string, string>>>(metric: Metric.Counter<number>, labels: A) =>
  Effect.map(Metric.value(Metric.withAttributes(metric, labels)), ({ count }) => count)
const failedJobs = counted(Metrics.jobs, { pipeline: "parcel", outcome: "failed" })
const deadlineLetters = counted(Metrics.deadLetters, { mailbox: "parcel.weigh", reason: "DEADLINE_EXCEEDED" })
const failedAt = (stage: string, attempts: number) => ({
  state: "failed",
  error: { code: "DEADLINE_EXCEEDED", message: "the job was not finished by its deadline", stage, attempts }
})
/** A user of the partition whose timers a new process looks at last, 45 s after its start. */
const lookedAtLast = Array.from({ length: 100 }, (_, n) => `user-${n}`).find((user) => Keys.partitionOf(user, 4) === 3)!

describe("the deadline", () => {
  it.live("J1 a waiting job past its deadline fails, and its entry leaves the mailbox", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const late = yield* Fleet.joined(redis.url, pastDeadline)
      const id = yield* client.run(Fleet.submit())
      expect(yield* client.run(Fleet.promote)).toBe(0)
      expect(yield* late.run(Fleet.promote)).toBe(1)
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject(failedAt("weigh", 0))
      expect(yield* client.run(Fleet.toldOf(id))).toEqual(["queued/started", "failed/failed"])
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
    })
  )

  it.live("J1 a running job past its deadline fails, and its holder's later result is refused", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const late = yield* Fleet.joined(redis.url, pastDeadline)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const holding = yield* hand.take("weigh")
      expect(yield* late.run(Fleet.promote)).toBe(1)
      expect((yield* client.run(Fleet.commit(holding))).outcome).toBe("lost")
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject(failedAt("weigh", 1))
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
    })
  )

  it.live("J1 a job whose retry is due only after its deadline fails", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const late = yield* Fleet.joined(redis.url, pastDeadline)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      yield* client.run(Fleet.defer(yield* hand.take("weigh"), { delayMillis: 100_000_000 }))
      expect(yield* late.run(Fleet.promote)).toBe(1)
      expect(yield* client.run(Fleet.jobOf(id))).toMatchObject(failedAt("weigh", 1))
      expect(yield* hand.read("weigh")).toEqual([])
    })
  )

  it.live("J1 the deadline still holds for a job that was delayed and came back", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const soon = yield* Fleet.joined(redis.url, { clockOffsetMillis: 90_000 })
      const late = yield* Fleet.joined(redis.url, pastDeadline)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      yield* client.run(Fleet.defer(yield* hand.take("weigh"), { delayMillis: 60_000 }))
      expect(yield* soon.run(Fleet.promote)).toBe(0)
      expect((yield* client.run(Fleet.jobOf(id))).state).toBe("waiting")
      expect(yield* late.run(Fleet.promote)).toBe(1)
      expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["failed"])
    })
  )

  it.live(
    "a job past its deadline leaves a letter in the mailbox of its stage, from any state, and is kept for a week by it",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url, { userConcurrency: 1 })
        const late = yield* Fleet.joined(redis.url, { ...pastDeadline, userConcurrency: 1 })
        const hand = yield* Fleet.byHand(client, "hand")
        const submit = (owner: string) => client.run(Fleet.submit({ owner }))
        const delayed = yield* submit("ann")
        yield* client.run(Fleet.defer(yield* hand.take("weigh"), { delayMillis: 100_000_000, cause: "ModelSuspended" }))
        const running = yield* submit("bob")
        yield* client.run(Fleet.commit(yield* hand.take("weigh")))
        yield* hand.take("label")
        const waiting = yield* submit("cid")
        const hasty = yield* Fleet.joined(redis.url, { userConcurrency: 1, jobDeadline: Duration.minutes(1) })
        const inLane = yield* hasty.run(Fleet.submit({ owner: "cid" }))
        const soon = yield* Fleet.joined(redis.url, { clockOffsetMillis: 90_000, userConcurrency: 1 })
        expect(yield* soon.run(Fleet.promote)).toBe(1)
        expect(yield* late.run(Fleet.promote)).toBe(3)
        const past = "the job was not finished by its deadline; its state:"
        const seen = new Map(
          [
            ...(yield* Fleet.lettersOf(client, "parcel.weigh")),
            ...(yield* Fleet.lettersOf(client, "parcel.label"))
          ].map(({ attempts, cause, job, message, stage }) => [job, [stage, cause, message, attempts]])
        )
        expect(seen).toEqual(
          new Map([
            [delayed, ["weigh", "DEADLINE_EXCEEDED", `${past} delayed, last error ModelSuspended`, "1"]],
            [running, ["label", "DEADLINE_EXCEEDED", `${past} running`, "1"]],
            [waiting, ["weigh", "DEADLINE_EXCEEDED", `${past} waiting`, "0"]],
            [inLane, ["weigh", "DEADLINE_EXCEEDED", `${past} lane`, "0"]]
          ])
        )
        const keyspace = yield* client.run(Keyspace)
        for (const id of [delayed, running, waiting, inLane]) {
          for (const key of [keyspace.of(id).job(id), keyspace.of(id).jobEvents(id)]) {
            expect(Number(yield* client.send("PTTL", key)), key).toBeGreaterThan(7 * 24 * 3_600_000 - 10_000)
          }
        }
        // and that is what an operator brings back
        const [letter] = yield* late.run(deadLetters((all) => all.list("parcel.label", { limit: 10 })))
        expect(yield* late.run(deadLetters((all) => all.redrive(letter!)))).toBe("redriven")
        expect((yield* hand.take("label")).id).toBe(running)
      })
  )

  it.live("J1 ten processes that serve timers at once fail an overdue job once, and a finished job not at all", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const late = yield* Fleet.joined(redis.url, pastDeadline)
      const hand = yield* Fleet.byHand(client, "hand")
      const done = yield* client.run(Fleet.submit())
      for (const stage of ["weigh", "label", "ship"]) yield* client.run(Fleet.commit(yield* hand.take(stage)))
      const id = yield* client.run(Fleet.submit())
      const expired = yield* Effect.all(
        Array.from({ length: 10 }, () => late.run(Fleet.promote)),
        { concurrency: 10 }
      )
      expect(expired.reduce((sum, one) => sum + one, 0)).toBe(1)
      expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["failed"])
      expect(yield* client.run(Fleet.terminalsOf(done))).toEqual(["done"])
    })
  )

  it.live("J1 a job that only ever retries fails at its deadline without outside help, and is counted", () =>
    Effect.gen(function* () {
      const before = [yield* failedJobs, yield* deadlineLetters]
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: () => Effect.fail(new Fleet.ScaleBroken()),
          retry: Retry.policy({ otherwise: Schedule.spaced("40 millis") })
        }),
        { jobDeadline: Duration.millis(200) }
      )
      const id = yield* worker.run(Fleet.submit())
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
      expect(job.error?.code).toBe("DEADLINE_EXCEEDED")
      expect(yield* worker.run(Fleet.terminalsOf(id))).toEqual(["failed"])
      expect(yield* Fleet.lettersOf(worker, "parcel.weigh")).toMatchObject([{ job: id, cause: "DEADLINE_EXCEEDED" }])
      // counted by whose look it was, with its pipeline
      const after = Effect.all([failedJobs, deadlineLetters])
      yield* Fleet.until(after, ([jobs]) => jobs > before[0]!)
      expect(yield* after).toEqual(before.map((count) => count! + 1))
    })
  )

  for (const [state, weigh] of [
    ["is put off for hours", () => Effect.fail(new Fleet.ScaleBroken())],
    ["is in the hands of a handler", () => Effect.never]
  ] as const) {
    it.live(`J1 a job that ${state} fails at its deadline, not up to a minute later`, () =>
      Effect.gen(function* () {
        const hasty = yield* Fleet.joined(redis.url, { jobDeadline: Duration.seconds(2) })
        yield* Fleet.working(
          redis.url,
          Fleet.parcelBehaviors({ weigh, retry: Retry.policy({ otherwise: Schedule.spaced("3 hours") }) })
        )
        const id = yield* hasty.run(Fleet.submit({ owner: lookedAtLast }))
        const job = yield* Fleet.until(hasty.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
        expect(job.error?.code).toBe("DEADLINE_EXCEEDED")
      })
    )
  }

  it.live(
    "J1 a job that nobody takes, under a JOB_DEADLINE below a minute, fails at it, not up to a minute later",
    () =>
      Effect.gen(function* () {
        const hasty = { jobDeadline: Duration.seconds(2) }
        const client = yield* Fleet.joined(redis.url, hasty)
        yield* Fleet.working(redis.url, Layer.empty, hasty)
        const id = yield* client.run(Fleet.submit({ owner: lookedAtLast }))
        const job = yield* Fleet.until(client.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
        expect(job.error?.code).toBe("DEADLINE_EXCEEDED")
      })
  )

  it.live("a call that serves 200 of 250 due timers says that more are due, and the next call serves the rest", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const id = yield* client.run(Fleet.submit())
      const partition = keyNames.partitions(4)[Keys.partitionOf(id, 4)]!
      const strangers = Array.from({ length: 250 }, (_, i) => [i + 1, `gone ${i}`]).flat()
      yield* client.send("ZADD", partition.timers, ...strangers)
      const serve = client.run(Timers.Timers.use((timers) => Effect.orDie(timers.promote(partition, []))))
      expect(yield* serve).toEqual({ served: 200, nextMillis: 0, expired: [], doubted: [] })
      const { nextMillis, served } = yield* serve
      expect([served, nextMillis! > 3_500_000]).toEqual([50, true])
      yield* client.run(Fleet.cancel(id))
      expect(yield* serve).toEqual({ served: 0, nextMillis: null, expired: [], doubted: [] })
    })
  )

  it.live("J1 a timer that fires early for a running job is set again, and one that outlived its job is removed", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const late = yield* Fleet.joined(redis.url, pastDeadline)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      const { partition } = yield* hand.take("weigh")
      yield* client.send("ZADD", partition.timers, 1, id)
      expect(yield* client.run(Fleet.promote)).toBe(0)
      expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(1)
      const { deadline, state } = yield* client.run(Fleet.jobOf(id))
      expect([state, yield* client.send("ZSCORE", partition.timers, id)]).toEqual(["running", String(deadline)])
      yield* client.run(Fleet.cancel(id))
      yield* client.send("ZADD", partition.timers, 1, id)
      expect(yield* late.run(Fleet.promote)).toBe(0)
      expect(yield* client.send("EXISTS", partition.timers)).toBe(0)
      expect(yield* client.run(Fleet.terminalsOf(id))).toEqual(["cancelled"])
    })
  )
})
