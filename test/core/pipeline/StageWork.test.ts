/**
 * What a stage's handler may do, and what becomes of the job: time-outs interrupt and fence (A3), only the stage due runs
 * (J2), tells go out with the commit (J3), and what cannot heal fails the job with a reason (J1).
 */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Layer, Metric, Schedule, Schema } from "effect"
import { Actor, Pipeline, Retry, Stage, StageBehavior } from "@eco2/core"
import { Metrics } from "@eco2/core/telemetry"
import { fenceWith } from "../../harness/JobHash.ts"
import * as BrokenRedis from "../BrokenRedis.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const soon = Schedule.spaced(Duration.millis(5))

const Text = Schema.String
const only = Stage.make("only", { needs: { input: Text }, output: Text, progress: 100, timeout: "60 millis" })
const Single = Pipeline.make("single", { input: Text }).add(only)
const submitText = (text: string) =>
  Effect.map(Pipeline.submit(Single, text, { owner: null, key: null }), ({ id }) => id)
const single = (handler: (text: string, attempt: number) => Effect.Effect<string, Fleet.ScaleBroken>) =>
  StageBehavior.layer(
    Single,
    "only",
    Effect.succeed(({ input }, job) => handler(input, job.attempt)),
    {
      retry: Retry.policy<Fleet.ScaleBroken>({ otherwise: soon.pipe(Schedule.upTo({ times: 2 })) })
    }
  )

class LongStory extends Schema.TaggedError<LongStory>()("LongStory", {}) {
  override get message() {
    return "x".repeat(5_000)
  }
}

const Receipts = Actor.make("receipts", { Print: Actor.tell({ payload: Schema.Struct({ grams: Schema.Finite }) }) })

describe("a stage's attempts", () => {
  it.live("A3 an attempt past its timeout is interrupted, counted as StageTimeout, and retried", () =>
    Effect.gen(function* () {
      let interrupted = 0
      const worker = yield* Fleet.working(
        redis.url,
        single((text, attempt) =>
          attempt === 1
            ? Effect.never.pipe(Effect.onInterrupt(() => Effect.sync(() => void interrupted++)))
            : Effect.succeed(text)
        )
      )
      const id = yield* worker.run(submitText("slow"))
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(interrupted).toBe(1)
      const retrying = (yield* worker.run(Fleet.historyOf(id))).filter(({ status }) => status === "retrying")
      expect(retrying).toMatchObject([{ stage: "only", result: { code: "StageTimeout", attempt: 1 } }])
    })
  )

  it.live(
    "A3 a time-out that passes while a result is being recorded fails neither its attempt nor the next stage's",
    () =>
      Effect.gen(function* () {
        const first = Stage.make("first", {
          needs: { input: Text },
          output: Text,
          progress: 50,
          // a machine that stands still for less changes nothing
          timeout: "1 second",
          concurrency: 2
        })
        const second = Stage.make("second", { needs: { first: Text }, output: Text, progress: 100, concurrency: 2 })
        const Two = Pipeline.make("two", { input: Text }).add(first).add(second)
        const attempts: Array<string> = []
        const tried = (name: string, attempt: number) =>
          Effect.sync(() => {
            attempts.push(`${name} ${attempt}`)
            return name
          })
        const recorded = yield* Deferred.make<void>()
        const gate = yield* Deferred.make<void>()
        const late = Effect.andThen(Deferred.succeed(recorded, undefined), Deferred.await(gate))
        let commits = 0
        const worker = yield* BrokenRedis.working(
          redis.url,
          Layer.merge(
            StageBehavior.layer(
              Two,
              "first",
              Effect.succeed((_, job) => tried("first", job.attempt))
            ),
            StageBehavior.layer(
              Two,
              "second",
              Effect.succeed((_, job) => tried("second", job.attempt))
            )
          ),
          {
            breaking: new Map([["commit", () => (++commits === 1 ? late : undefined)]]),
            values: { lease: Duration.seconds(15), shutdownGrace: Duration.millis(100) }
          }
        )
        const client = yield* Fleet.joined(redis.url)
        const { id } = yield* worker.run(Pipeline.submit(Two, "slow", { owner: "ann", key: null }))
        yield* Deferred.await(recorded)
        const at = yield* Fleet.timeOf(client)
        yield* Fleet.until(Fleet.timeOf(client), (now) => now > at + 1_200)
        yield* Deferred.succeed(gate, undefined)
        yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
        expect(attempts).toEqual(["first 1", "second 1"])
        expect((yield* worker.run(Fleet.toldOf(id))).filter((told) => told.endsWith("retrying"))).toEqual([])
      })
  )

  it.live("a job whose attempts are used up is parked with the error's tag, its stage and the number of attempts", () =>
    Effect.gen(function* () {
      const attempts: Array<number> = []
      const worker = yield* Fleet.working(
        redis.url,
        single((_, attempt) => {
          attempts.push(attempt)
          return Effect.fail(new Fleet.ScaleBroken())
        })
      )
      const id = yield* worker.run(submitText("heavy"))
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "parked")
      expect(attempts).toEqual([1, 2, 3])
      expect(job.error).toMatchObject({ code: "ScaleBroken", stage: "only", attempts: 3 })
      expect(yield* Fleet.lettersOf(worker, "single.only")).toMatchObject([
        { job: id, cause: "ScaleBroken", attempts: "3" }
      ])
      expect(yield* worker.run(Fleet.terminalsOf(id))).toEqual([])
    })
  )

  it.live("an error's message is cut to a thousand characters in the job and in its letter", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(
        redis.url,
        StageBehavior.layer(
          Single,
          "only",
          Effect.succeed(() => Effect.fail(new LongStory())),
          { retry: Retry.policy<LongStory>({ never: ["LongStory"] }) }
        )
      )
      const id = yield* worker.run(submitText("long"))
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
      expect(job.error).toMatchObject({ code: "LongStory", message: "x".repeat(1_000) })
      expect(yield* Fleet.lettersOf(worker, "single.only")).toMatchObject([{ message: "x".repeat(1_000) }])
    })
  )

  it.live("a retry that the error's Retry-After asks for spends no attempt", () =>
    Effect.gen(function* () {
      const attempts: Array<number> = []
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: (_, { attempt }) => {
            attempts.push(attempt)
            return attempts.length < 4 ? Effect.fail(new Fleet.ScaleBroken()) : Effect.succeed({ grams: 1 })
          },
          retry: Retry.policy({ retryAfter: () => Duration.millis(5) })
        })
      )
      const id = yield* worker.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(attempts).toEqual([1, 1, 1, 1])
      expect((yield* worker.run(Fleet.jobOf(id))).tries).toBe(6)
    })
  )

  it.live("no two runs of a job's handlers see the same number of begins, whatever stage and attempt they are of", () =>
    Effect.gen(function* () {
      const begins: Array<number> = []
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: (_, job) => {
            begins.push(job.begins)
            return begins.length < 3 ? Effect.fail(new Fleet.ScaleBroken()) : Effect.succeed({ grams: 1 })
          },
          retry: Retry.policy({ retryAfter: () => Duration.millis(5) })
        })
      )
      const id = yield* worker.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(begins).toEqual([1, 2, 3])
    })
  )

  it.live("a handler that shows viewers a value that is no text goes on, and its result is recorded", () =>
    Effect.gen(function* () {
      const telling = Stage.make("telling", { needs: { input: Text }, output: Text, partial: Text, progress: 100 })
      const Told = Pipeline.make("told", { input: Text }).add(telling)
      const worker = yield* Fleet.working(
        redis.url,
        StageBehavior.layer(
          Told,
          "telling",
          Effect.succeed(({ input }, job) =>
            Effect.sync(() => {
              // JavaScript's callers are not held by types
              for (const value of [5, null, { text: "half" }] as ReadonlyArray<unknown>) job.emit(value as string)
              return input
            })
          )
        )
      )
      const { id } = yield* worker.run(Pipeline.submit(Told, "whole", { owner: null, key: null }))
      const ended = yield* Fleet.until(
        worker.run(Fleet.jobOf(id)),
        ({ state }) => state === "done" || state === "parked"
      )
      expect(ended.state).toBe("done")
    })
  )

  it.live.each([
    ["first", "begun from its mailbox"],
    ["second", "kept from the stage before"]
  ] as const)(
    "a handler that throws before it returns an effect ends its attempt as a defect, and the process works on (%s stage, %s)",
    ([which]) =>
      Effect.gen(function* () {
        const Two = Pipeline.make("two", { input: Text })
          .add(Stage.make("first", { needs: { input: Text }, output: Text, progress: 50 }))
          .add(Stage.make("second", { needs: { first: Text }, output: Text, progress: 100 }))
        const perhaps = (stage: string, text: string) => {
          if (stage === which && text === "broken") throw new Error("a bug in a handler")
          return Effect.succeed(text)
        }
        const worker = yield* Fleet.working(
          redis.url,
          Layer.mergeAll(
            StageBehavior.layer(
              Two,
              "first",
              Effect.succeed(({ input }) => perhaps("first", input))
            ),
            StageBehavior.layer(
              Two,
              "second",
              Effect.succeed(({ first }) => perhaps("second", first))
            )
          )
        )
        const submitTwo = (text: string) =>
          worker.run(Effect.map(Pipeline.submit(Two, text, { owner: null, key: null }), ({ id }) => id))
        const [broken, whole] = [yield* submitTwo("broken"), yield* submitTwo("whole")]
        yield* Fleet.until(worker.run(Fleet.jobOf(whole)), ({ state }) => state === "done")
        const job = yield* Fleet.until(worker.run(Fleet.jobOf(broken)), ({ state }) => state === "delayed")
        expect(job).toMatchObject({ at: which, cause: "Defect" })
      })
  )

  it.live("an output that breaks while it is written ends its attempt as a defect, and the process works on", () =>
    Effect.gen(function* () {
      const Output = Schema.Struct({ text: Text })
      const breaking = Stage.make("breaking", { needs: { input: Text }, output: Output, progress: 100 })
      const Broken = Pipeline.make("broken", { input: Text }).add(breaking)
      const worker = yield* Fleet.working(
        redis.url,
        StageBehavior.layer(
          Broken,
          "breaking",
          Effect.succeed(({ input }) =>
            Effect.succeed({
              get text(): string {
                if (input === "bad") throw new Error("there is no text")
                return input
              }
            })
          )
        )
      )
      const submit = (text: string) =>
        worker.run(Effect.map(Pipeline.submit(Broken, text, { owner: null, key: null }), ({ id }) => id))
      const bad = yield* submit("bad")
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(bad)), ({ error }) => error !== undefined)
      expect(job.error).toMatchObject({ stage: "breaking", message: expect.stringContaining("there is no text") })
      const good = yield* submit("good")
      yield* Fleet.until(worker.run(Fleet.jobOf(good)), ({ state }) => state === "done")
    })
  )

  it.live("a stage output over 256 KiB fails the job, and one just below is stored", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(
        redis.url,
        single((text) => Effect.succeed(text.repeat(256 * 1024 - (text === "a" ? 2 : 1))))
      )
      const [small, large] = [yield* worker.run(submitText("a")), yield* worker.run(submitText("b"))]
      yield* Fleet.until(worker.run(Fleet.jobOf(small)), ({ state }) => state === "done")
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(large)), ({ state }) => state === "failed")
      expect(job.error).toMatchObject({
        code: "OutputRejected",
        message: expect.stringContaining("262145 bytes")
      })
      expect(job.outputs.size).toBe(0)
    })
  )

  it.live("a checkpoint that no longer decodes parks the job, and the handler is not called with it", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      yield* client.run(Fleet.commit(yield* hand.take("weigh"), { output: '{"pounds":4}' }))
      const labelled: Array<string> = []
      const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors({ labelled: (one) => labelled.push(one) }))
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "parked")
      expect(job.error).toMatchObject({
        code: "CheckpointUnreadable",
        stage: "label",
        message: expect.stringContaining("grams")
      })
      expect(labelled).toEqual([])
    })
  )

  for (const what of ["a fence that this version cannot read", "no fence at all"]) {
    it.live(`a job with ${what} is buried as JobUnreadable, and not begun again`, () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const hand = yield* Fleet.byHand(client, "hand")
        yield* client.run(Fleet.submit())
        const [holding] = yield* hand.read("weigh")
        const key = holding!.partition.job(holding!.id)
        const now = String(yield* client.send("HGET", key, "now"))
        const odd = what === "no fence at all" ? "?" : fenceWith(now, { created: "yesterday" })
        yield* client.send("HSET", key, "now", odd)
        yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
        const letters = yield* Fleet.until(Fleet.lettersOf(client, "parcel.weigh"), (all) => all.length > 0)
        expect(letters).toMatchObject([{ cause: "JobUnreadable" }])
        expect(yield* client.run(Fleet.depthOf("parcel.weigh"))).toBe(0)
        // what is left of it goes with its letter
        expect(yield* client.send("PTTL", key)).toBeGreaterThan(0)
      })
    )
  }

  it.live("a handler learns when its job was submitted, and how long ago", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const id = yield* client.run(submitText("old"))
      const seen: Array<readonly [number, number]> = []
      const worker = yield* Fleet.working(
        redis.url,
        StageBehavior.layer(
          Single,
          "only",
          Effect.succeed(({ input }, job) => Effect.sync(() => (seen.push([job.created, job.ageMillis]), input)))
        ),
        { clockOffsetMillis: 600_000 }
      )
      const { created } = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(seen).toEqual([[created, expect.any(Number)]])
      expect(seen[0]![1]).toBeGreaterThanOrEqual(600_000)
    })
  )

  it.live("J2 a result that comes after its job was cancelled is dropped, and counted as late", () =>
    Effect.gen(function* () {
      const Patient = Pipeline.make("patient", { input: Text }).add(
        Stage.make("only", { needs: { input: Text }, output: Text, progress: 100, timeout: "1 minute" })
      )
      const late = Metric.withAttributes(Metrics.attempts, { stage: "patient.only", reason: "LeaseLost" })
      const counted = Effect.map(Metric.value(late), ({ count }) => Number(count))
      const before = yield* counted
      const client = yield* Fleet.joined(redis.url)
      const worker = yield* Fleet.working(
        redis.url,
        StageBehavior.layer(
          Patient,
          "only",
          Effect.succeed(({ input }, job) => Effect.as(client.run(Fleet.cancel(job.id)), input))
        ),
        // no beat finds out first
        { lease: Duration.minutes(1) }
      )
      const { id } = yield* worker.run(Pipeline.submit(Patient, "cancelled", { owner: null, key: null }))
      yield* Fleet.until(counted, (count) => count === before + 1)
      expect(yield* worker.run(Fleet.jobOf(id))).toMatchObject({ state: "cancelled", outputs: new Map() })
    })
  )

  it.live("an image stays until the last stage that reads it has committed, and is gone then", () =>
    Effect.gen(function* () {
      const reading = (name: string, progress: number) =>
        Stage.make(name, { needs: { input: Text }, output: Text, progress, readsImage: true })
      const Twice = Pipeline.make("twice", { input: Text }).add(reading("first", 50)).add(reading("second", 100))
      const seen: Array<number | undefined> = []
      const look = Effect.succeed((_: unknown, job: StageBehavior.StageJob) =>
        Effect.map(job.image, (image) => {
          seen.push(image?.length)
          return "seen"
        })
      )
      const worker = yield* Fleet.working(
        redis.url,
        Layer.merge(StageBehavior.layer(Twice, "first", look), StageBehavior.layer(Twice, "second", look))
      )
      const { id } = yield* worker.run(
        Pipeline.submit(Twice, "photo", { owner: null, key: null, image: new Uint8Array(3) })
      )
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(seen).toEqual([3, 3])
      expect((yield* Fleet.keysOf(worker)).filter((key) => key.endsWith(":image"))).toEqual([])
    })
  )

  it.live("entries that cannot be begun give their slots back: the stage works on", () =>
    Effect.gen(function* () {
      let refusals = 0
      const breaking: BrokenRedis.Breaking = new Map([["begin", () => (++refusals === 1 ? "refused" : undefined)]])
      const one = Stage.make("one", { needs: { input: Text }, output: Text, progress: 100, concurrency: 1 })
      const Narrow = Pipeline.make("one-slot", { input: Text }).add(one)
      const worker = yield* BrokenRedis.working(
        redis.url,
        StageBehavior.layer(
          Narrow,
          "one",
          Effect.succeed(({ input }: { readonly input: string }) => Effect.succeed(input))
        ),
        { breaking, values: { partitions: 1, lease: Duration.minutes(1), shutdownGrace: Duration.millis(100) } }
      )
      yield* worker.run(Pipeline.submit(Narrow, "one", { owner: null, key: null }))
      yield* Fleet.until(
        Effect.sync(() => refusals),
        (count) => count === 1
      )
      const { id } = yield* worker.run(Pipeline.submit(Narrow, "two", { owner: null, key: null }))
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
    })
  )

  it.live("A4 an entry whose begin was refused is begun again after the next beats, not a minute later", () =>
    Effect.gen(function* () {
      let [refusals, looks] = [0, 0]
      const breaking: BrokenRedis.Breaking = new Map([
        ["begin", () => (++refusals === 1 ? "refused" : undefined)],
        ["pending", () => void looks++]
      ])
      const worker = yield* BrokenRedis.working(redis.url, Fleet.parcelBehaviors(), {
        breaking,
        values: { lease: Duration.millis(Fleet.lease), shutdownGrace: Duration.millis(100) }
      })
      // the first look at all partitions is over; the next that nobody asks for comes a minute later
      yield* Fleet.until(
        Effect.sync(() => looks),
        (partitions) => partitions >= 4
      )
      const id = yield* worker.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(refusals).toBeGreaterThan(1)
    })
  )

  it.live(
    "a result that Redis does not accept four times is sent a fifth time, and its handler does not run again",
    () =>
      Effect.gen(function* () {
        let commits = 0
        let calls = 0
        const breaking: BrokenRedis.Breaking = new Map([["commit", () => (++commits <= 4 ? "unavailable" : undefined)]])
        const weigh: Fleet.Weigh = () => Effect.sync(() => ({ grams: ++calls }))
        const worker = yield* BrokenRedis.working(redis.url, Fleet.parcelBehaviors({ weigh }), {
          breaking,
          values: { lease: Duration.seconds(15), shutdownGrace: Duration.millis(100) }
        })
        const id = yield* worker.run(Fleet.submit())
        yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
        expect(calls).toBe(1)
      })
  )

  it.live("J3 a handler's tells are sent once, with its commit, and not when it fails", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: (_, job) =>
            Effect.gen(function* () {
              yield* job.tell(yield* Receipts.message("Print", { grams: job.attempt }))
              return job.attempt === 1 ? yield* new Fleet.ScaleBroken() : { grams: 1 }
            }),
          retry: Retry.policy({ otherwise: soon })
        })
      )
      const id = yield* worker.run(Fleet.submit())
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(yield* worker.run(Fleet.depthOf("receipts"))).toBe(1)
      const [key] = (yield* Fleet.keysOf(worker)).filter((name) => name.endsWith(":mailbox:receipts"))
      expect(yield* worker.send("XRANGE", key!, "-", "+")).toMatchObject([
        [expect.any(String), ["type", "Print", "body", '{"grams":2}', "ts", expect.any(String)]]
      ])
    })
  )

  it.live("J3 messages that one stage sends, over 256 KiB together, fail the job, and none of them is sent", () =>
    Effect.gen(function* () {
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: (_, job) =>
            Effect.gen(function* () {
              for (const n of [1, 2]) {
                yield* job.tell({ mailbox: "receipts", type: "Print", body: JSON.stringify(`${n}`.repeat(128 * 1024)) })
              }
              return { grams: 1 }
            })
        })
      )
      const id = yield* worker.run(Fleet.submit())
      const job = yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "failed")
      expect(job.error).toMatchObject({
        code: "OutputRejected",
        message: expect.stringMatching(/messages of 2621\d\d bytes, allowed are 262144/)
      })
      expect(job.outputs.size).toBe(0)
      expect((yield* Fleet.keysOf(worker)).filter((key) => key.endsWith(":mailbox:receipts"))).toEqual([])
    })
  )

  it.live("a stage never works on more jobs at once than its concurrency", () =>
    Effect.gen(function* () {
      const narrow = Stage.make("narrow", { needs: { input: Text }, output: Text, progress: 100, concurrency: 3 })
      const Narrow = Pipeline.make("narrow", { input: Text }).add(narrow)
      let now = 0
      let most = 0
      const gate = yield* Deferred.make<void>()
      const worker = yield* Fleet.working(
        redis.url,
        StageBehavior.layer(
          Narrow,
          "narrow",
          Effect.succeed(({ input }) =>
            Effect.gen(function* () {
              most = Math.max(most, ++now)
              if (most === 3) yield* Deferred.succeed(gate, undefined)
              yield* Deferred.await(gate)
              yield* Effect.yieldNow
              now--
              return input
            })
          )
        )
      )
      const ids = yield* Effect.forEach(
        Array.from({ length: 30 }, (_, i) => `owner ${i}`),
        (owner) => worker.run(Effect.map(Pipeline.submit(Narrow, owner, { owner, key: null }), ({ id }) => id))
      )
      for (const id of ids) yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(most).toBe(3)
    })
  )

  it.live("a stage served by a process started later is picked up without any other traffic", () =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      const id = yield* client.run(Fleet.submit())
      yield* client.run(Fleet.commit(yield* hand.take("weigh")))
      yield* client.run(Fleet.commit(yield* hand.take("label")))
      // ship is the last of the behaviors to be served, and nothing waits for the others
      yield* Fleet.working(redis.url, Layer.mergeAll(single(Effect.succeed), Fleet.parcelBehaviors()))
      yield* Fleet.until(client.run(Fleet.jobOf(id)), ({ state }) => state === "done")
    })
  )
})
