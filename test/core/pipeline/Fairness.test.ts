/**
 * Fairness: a user with a backlog delays nobody by more than USER_CONCURRENCY jobs, and nobody at all where a stage has a
 * slot more than that: whichever partition the others' jobs are in. In order of begins; `npm run bench:fairness` has times.
 */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Schema } from "effect"
import { Pipeline, Stage, StageBehavior } from "@eco2/core"
import { Keys, Keyspace } from "@eco2/core/redis"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()
const userConcurrency = 4
const slots = userConcurrency + 1
const Text = Schema.String
const look = Stage.make("look", { needs: { input: Text }, output: Text, progress: 100, concurrency: slots })
const Looking = Pipeline.make("looking", { input: Text }).add(look)

/** Users of every partition, `each` of them in it, one partition after the other. */
const visitorsOf = (each: number) => {
  const found = Array.from({ length: 4 }, (): Array<string> => [])
  for (let n = 0; found.some((some) => some.length < each); n++) {
    const name = `visitor ${n}`
    const some = found[Keys.partitionOf(name, 4)]!
    if (some.length < each) some.push(name)
  }
  return Array.from({ length: each }, (_, i) => found.map((some) => some[i]!)).flat()
}

/** A process that does `work` for each of ann's jobs and none for others', with every begin written down by owner. */
const started = Effect.fnUntraced(function* (work: Effect.Effect<void>) {
  const begun: Array<string> = []
  const worker = yield* Fleet.working(
    redis.url,
    StageBehavior.layer(
      Looking,
      "look",
      Effect.succeed(({ input }, job) =>
        Effect.suspend(() => {
          begun.push(job.owner)
          return job.owner === "ann" ? Effect.as(work, input) : Effect.succeed(input)
        })
      )
    ),
    { userConcurrency }
  )
  const submit = (owner: string) =>
    worker.run(Effect.map(Pipeline.submit(Looking, "photo", { owner, key: null }), ({ id }) => id))
  const backlog = (jobs: number) =>
    Effect.forEach(Array.from({ length: jobs }), () => submit("ann"), { concurrency: 50 })
  const done = (id: Effect.Success<ReturnType<typeof submit>>) =>
    Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
  const ofAnn = () => begun.filter((owner) => owner === "ann").length
  return { begun, submit, backlog, done, ofAnn }
})

/** Every partition's server has answered: one that stands still for a while holds up ann's jobs as well as the visitor's. */
const everyServerAnswers = Effect.gen(function* () {
  const client = yield* Fleet.joined(redis.url)
  const { partitions } = yield* client.run(Keyspace)
  return Effect.forEach(partitions, ({ root }) => client.send("EXISTS", root), {
    concurrency: "unbounded",
    discard: true
  })
})

describe("a user with a backlog", () => {
  it.live.skipIf(Fleet.onCluster)(
    "a user's backlog of 500 delays no other user where a stage has a slot more than the user's limit, in any partition",
    () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const { backlog, done, ofAnn, submit } = yield* started(Deferred.await(gate))
        yield* backlog(500)
        yield* Fleet.until(Effect.sync(ofAnn), (count) => count === userConcurrency)
        for (const visitor of visitorsOf(1)) yield* done(yield* submit(visitor))
        // none of ann's has ended meanwhile
        expect(ofAnn()).toBe(userConcurrency)
        yield* Deferred.succeed(gate, undefined)
      })
  )

  it.live("a user's backlog gets no more jobs begun before another user's new job than its limit and the slots", () =>
    Effect.gen(function* () {
      const answered = yield* everyServerAnswers
      const { backlog, begun, done, ofAnn, submit } = yield* started(Effect.andThen(answered, Effect.sleep("5 millis")))
      const ids = yield* backlog(500)
      let met = 0
      for (const visitor of visitorsOf(10)) {
        const id = yield* submit(visitor)
        const before = begun.length
        yield* done(id)
        const after = begun.indexOf(visitor)
        const between = begun.slice(before, Math.max(before, after)).length
        if (ofAnn() < ids.length) met++
        // and those of the reads under way
        expect(between, visitor).toBeLessThanOrEqual(userConcurrency + slots)
      }
      expect(met, "visitors who met a backlog").toBe(40)
    })
  )

  it.live(
    "a user's backlog of 500 in one partition is completed without waiting for timers, with hardly more slots than limit",
    () =>
      Effect.gen(function* () {
        const { backlog, done } = yield* started(Effect.sleep("5 millis"))
        const ids = yield* backlog(500)
        yield* done(ids.at(-1)!)
      })
  )

  it.live("a user's backlog is completed without pauses by a single slot, which asks one partition at a time", () =>
    Effect.gen(function* () {
      const single = Stage.make("look", { needs: { input: Text }, output: Text, progress: 100, concurrency: 1 })
      const Single = Pipeline.make("single", { input: Text }).add(single)
      const worker = yield* Fleet.working(
        redis.url,
        StageBehavior.layer(
          Single,
          "look",
          Effect.succeed(({ input }) => Effect.succeed(input))
        ),
        { userConcurrency }
      )
      const ids = yield* Effect.forEach(Array.from({ length: 100 }), () =>
        worker.run(Effect.map(Pipeline.submit(Single, "photo", { owner: "ann", key: null }), ({ id }) => id))
      )
      yield* Fleet.until(worker.run(Fleet.jobOf(ids.at(-1)!)), ({ state }) => state === "done")
    })
  )
})
