/** The image memory of one process: bounded in bytes, granted in order of arrival, freed however an attempt ends. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Metric, Schema, Scope } from "effect"
import { ImageMemory, Pipeline, Stage, StageBehavior } from "@eco2/core"
import type { Job } from "@eco2/core"
import { Metrics } from "@eco2/core/telemetry"
import * as JobImages from "../../../packages/core/src/pipeline/JobImages.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
/** For images that are not small; an eighth of the whole is for these. */
const most = 100
const whole = 114
type Images = JobImages.JobImages["Service"]

/** A memory of its own with room for `most` bytes, and a way to have a job with an image of so many. */
const withMemory = <A, E>(
  body: (
    memory: Images,
    jobWith: (bytes: number) => Effect.Effect<Job.JobId>,
    client: Fleet.Process<Fleet.Services>,
    hold: ImageMemory.ImageMemory["Service"]["hold"]
  ) => Effect.Effect<A, E>,
  options: { readonly whole?: number } = {}
) =>
  Effect.gen(function* () {
    const client = yield* Fleet.joined(redis.url, { imageMemory: options.whole ?? whole })
    const jobWith = (bytes: number) =>
      Effect.orDie(client.run(Fleet.submit({ owner: `of ${bytes}`, image: new Uint8Array(bytes).fill(7) })))
    return yield* client.run(
      Effect.provide(
        Effect.gen(function* () {
          const { hold } = yield* ImageMemory.ImageMemory
          return yield* body(yield* JobImages.JobImages, jobWith, client, hold)
        }),
        Layer.provideMerge(JobImages.layer, ImageMemory.layer)
      )
    )
  })
const waiting = Metric.value(Metrics.imageWaiting).pipe(Effect.map(({ value }) => value))
const heldBytes = Metric.value(Metrics.imageBytes).pipe(Effect.map(({ value }) => value))
const sizeOf = (image: Buffer | null) => image?.length ?? null

describe("ImageMemory", () => {
  it.live("images of jobs and those a handler fetches itself share one pool: what one holds, the other waits for", () =>
    withMemory((memory, jobWith, _, hold) =>
      Effect.gen(function* () {
        const fetched = yield* Scope.make()
        yield* Scope.provide(hold(60), fetched)
        const stored = memory.attempt(yield* jobWith(60))
        const reading = yield* Effect.forkChild(stored.image)
        yield* Fleet.until(waiting, (count) => count === 1)
        expect(yield* heldBytes).toBe(60)
        yield* Scope.close(fetched, Exit.void)
        expect(sizeOf(yield* Fiber.join(reading))).toBe(60)
        yield* stored.end
      })
    )
  )

  it.live("a small image waits for no large one, and small images together have an eighth of the memory", () =>
    withMemory(
      (_memory, _jobWith, _client, hold) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          yield* Scope.provide(hold(10_240 - 1_280), scope)
          const large = yield* Effect.forkChild(Effect.scoped(hold(41)))
          yield* Fleet.until(waiting, (count) => count === 1)
          for (let n = 0; n < 32; n++) yield* Scope.provide(hold(40), scope)
          const small = yield* Effect.forkChild(Effect.scoped(hold(40)))
          yield* Fleet.until(waiting, (count) => count === 2)
          yield* Scope.close(scope, Exit.void)
          yield* Fiber.join(large)
          yield* Fiber.join(small)
        }),
      { whole: 10_240 }
    )
  )

  it.live("image memory is granted in order of arrival, even when a later and smaller image would fit", () =>
    withMemory((memory, jobWith) =>
      Effect.gen(function* () {
        const served: Array<string> = []
        const [first, large, small] = [
          memory.attempt(yield* jobWith(60)),
          memory.attempt(yield* jobWith(80)),
          memory.attempt(yield* jobWith(10))
        ]
        yield* first.image
        const others = []
        for (const [name, attempt] of [
          ["large", large],
          ["small", small]
        ] as const) {
          others.push(yield* Effect.forkChild(Effect.tap(attempt.image, () => Effect.sync(() => served.push(name)))))
          yield* Fleet.until(waiting, (count) => count + served.length === others.length)
        }
        expect(served).toEqual([])
        yield* first.end
        for (const fiber of others) yield* Fiber.join(fiber)
        expect(served).toEqual(["large", "small"])
        expect(yield* heldBytes).toBe(90)
      })
    )
  )

  it.live("an image larger than the whole memory is granted alone", () =>
    withMemory((memory, jobWith) =>
      Effect.gen(function* () {
        const [first, huge, last] = [
          memory.attempt(yield* jobWith(1)),
          memory.attempt(yield* jobWith(5_000)),
          memory.attempt(yield* jobWith(1))
        ]
        yield* first.image
        const read = yield* Effect.forkChild(huge.image)
        yield* Fleet.until(waiting, (count) => count === 1)
        yield* first.end
        expect(sizeOf(yield* Fiber.join(read))).toBe(5_000)
        const after = yield* Effect.forkChild(last.image)
        yield* Fleet.until(waiting, (count) => count === 1)
        yield* huge.end
        expect(sizeOf(yield* Fiber.join(after))).toBe(1)
      })
    )
  )

  it.live("an attempt counts and reads its image once, however often and concurrently it asks for it", () =>
    withMemory((memory, jobWith) =>
      Effect.gen(function* () {
        const attempt = memory.attempt(yield* jobWith(80))
        const images = yield* Effect.all([attempt.image, attempt.image, attempt.image], { concurrency: "unbounded" })
        expect(new Set([...images, yield* attempt.image]).size).toBe(1)
        expect(yield* heldBytes).toBe(80)
        yield* attempt.end
        expect(yield* heldBytes).toBe(0)
        expect(sizeOf(yield* memory.attempt(yield* jobWith(100)).image)).toBe(100)
      })
    )
  )

  it.live(
    "no memory is held for an image that is gone, for an interrupted wait, or for a request after the attempt's end",
    () =>
      withMemory((memory, jobWith, client) =>
        Effect.gen(function* () {
          const [first, second, third] = [
            memory.attempt(yield* jobWith(100)),
            memory.attempt(yield* jobWith(100)),
            memory.attempt(yield* jobWith(100))
          ]
          yield* first.image
          const interrupted = yield* Effect.forkChild(second.image)
          yield* Fleet.until(waiting, (count) => count === 1)
          yield* Fiber.interrupt(interrupted)
          expect(yield* waiting).toBe(0)
          yield* first.end
          yield* first.image
          yield* first.image
          expect(yield* heldBytes).toBe(0)
          expect(sizeOf(yield* third.image)).toBe(100)
          // another attempt of the one interrupted
          yield* third.end
          expect(sizeOf(yield* second.image)).toBe(100)
          const gone = yield* jobWith(50)
          yield* client.run(Fleet.cancel(gone))
          for (const key of yield* Fleet.keysOf(client))
            if (key.includes(`${gone}:image`)) yield* client.send("DEL", key)
          expect(yield* memory.attempt(gone).image).toBe(null)
          expect(yield* heldBytes).toBe(100)
        })
      )
  )
})

describe("stages that read images", () => {
  it.live("the handlers of a stage never hold more image bytes at once than IMAGE_MEMORY, and all jobs complete", () =>
    Effect.gen(function* () {
      let now = 0
      let peak = 0
      // the first waits for a second beside it
      const two = yield* Deferred.make<void>()
      const worker = yield* Fleet.working(
        redis.url,
        Fleet.parcelBehaviors({
          weigh: (_, job) =>
            Effect.gen(function* () {
              const bytes = (yield* Effect.orDie(job.image))?.length ?? 0
              peak = Math.max(peak, (now += bytes))
              if (now > bytes) yield* Deferred.succeed(two, undefined)
              yield* Deferred.await(two)
              now -= bytes
              return { grams: bytes }
            })
        }),
        // a lease no busy machine loses: attempts are counted here
        { imageMemory: most, lease: Duration.seconds(15) }
      )
      const image = new Uint8Array(40)
      const ids = yield* Effect.forEach(Array.from({ length: 20 }), () => worker.run(Fleet.submit({ image })))
      for (const id of ids) yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      expect(peak).toBe(80)
      expect(yield* heldBytes).toBe(0)
    })
  )

  it.live("A3 an attempt's image memory is freed when it fails, times out, dies or succeeds", () =>
    Effect.gen(function* () {
      const ends = {
        failed: Effect.fail(new Fleet.ScaleBroken()),
        "timed out": Effect.never,
        died: Effect.die("broken"),
        done: Effect.succeed("seen")
      }
      const End = Schema.Literals(["failed", "timed out", "died", "done"])
      const look = Stage.make("look", {
        needs: { input: End },
        output: Schema.String,
        progress: 100,
        readsImage: true,
        timeout: "100 millis",
        concurrency: 1
      })
      const Looking = Pipeline.make("looking", { input: End }).add(look)
      // an attempt that a busy machine ends before it has the image is none of these
      const seen: Array<string> = []
      const worker = yield* Fleet.working(
        redis.url,
        StageBehavior.layer(
          Looking,
          "look",
          Effect.succeed(({ input }, job) =>
            Effect.flatMap(Effect.orDie(job.image), (image): Effect.Effect<string, Fleet.ScaleBroken> => {
              const isFirst = !seen.some((one) => one.startsWith(input))
              seen.push(`${input}: ${sizeOf(image)}`)
              return isFirst ? ends[input] : Effect.succeed("seen")
            })
          )
        ),
        // a lease no busy machine loses: attempts are counted here
        { imageMemory: most, lease: Duration.seconds(15) }
      )
      const ids = yield* Effect.forEach(End.literals, (input) =>
        worker.run(Pipeline.submit(Looking, input, { owner: null, key: null, image: new Uint8Array(most) }))
      )
      for (const { id } of ids) yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
      const twice = ["failed", "timed out", "died"].flatMap((end) => [`${end}: 100`, `${end}: 100`])
      expect(seen.toSorted()).toEqual([...twice, "done: 100"].toSorted())
      expect(yield* heldBytes).toBe(0)
    })
  )

  it.live("A3 a handler that goes on after its attempt's end may read the image, but holds no memory for it", () =>
    Effect.gen(function* () {
      const looking = (name: string, progress: number) =>
        Stage.make(name, { needs: { input: Schema.String }, output: Schema.String, progress, readsImage: true })
      const Looking = Pipeline.make("looking", { input: Schema.String })
        .add(looking("first", 50))
        .add(looking("second", 100))
      let first: StageBehavior.StageJob | undefined
      const ended = yield* Deferred.make<void>()
      const mayEnd = yield* Deferred.make<void>()
      const worker = yield* Fleet.working(
        redis.url,
        Layer.merge(
          StageBehavior.layer(
            Looking,
            "first",
            Effect.succeed((_, job) => Effect.sync(() => ((first = job), "left")))
          ),
          // keeps the image in Redis
          StageBehavior.layer(
            Looking,
            "second",
            Effect.succeed(() =>
              Deferred.succeed(ended, undefined).pipe(Effect.andThen(Deferred.await(mayEnd)), Effect.as("seen"))
            )
          )
        ),
        { imageMemory: whole }
      )
      const { id } = yield* worker.run(
        Pipeline.submit(Looking, "photo", { owner: null, key: null, image: new Uint8Array(most) })
      )
      yield* Deferred.await(ended)
      for (let n = 0; n < 2; n++) expect(sizeOf(yield* first!.image)).toBe(most)
      expect(yield* heldBytes).toBe(0)
      yield* Deferred.succeed(mayEnd, undefined)
      yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
    })
  )
})
