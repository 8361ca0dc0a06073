/** What JobStore makes of replies that are not there, or not what it asked for. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Client, CoreConfig, JobStore } from "@eco2/core"
import { RedisClient } from "@eco2/core/redis"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()

/** A store whose begins get this answer; what answers everything else is Redis. */
const answering = Effect.fnUntraced(function* (answer: unknown) {
  const broken = Layer.effect(
    RedisClient.RedisClient,
    RedisClient.RedisClient.use((real) =>
      Effect.succeed(
        RedisClient.RedisClient.of({
          ...real,
          call: (script, keys, args, answered) =>
            script.name === "begin" ? answered(script.decode(answer)) : real.call(script, keys, args, answered)
        })
      )
    )
  ).pipe(Layer.provide(RedisClient.layerUrl(redis.url)))
  const context = yield* Client.layer.pipe(Layer.provide(Layer.merge(broken, CoreConfig.layerWith({}))), Layer.build)
  return Context.get(context, JobStore.JobStore)
})

describe("replies to JobStore", () => {
  it.live.each([
    ["fewer", [], "0 answers to 1 entries"],
    [
      "more",
      [
        ["dropped", "over"],
        ["dropped", "over"]
      ],
      "2 answers to 1 entries"
    ],
    ["unknown", [["begun", 0]], "unknown answer begun"]
  ] as const)("a begin that gets %s answers fails: nobody knows what has begun", ([, answer, reason]) =>
    Effect.gen(function* () {
      const client = yield* Fleet.joined(redis.url)
      const hand = yield* Fleet.byHand(client, "hand")
      yield* client.run(Fleet.submit())
      const [holding] = yield* hand.read("weigh")
      const store = yield* answering(answer)
      expect(yield* Effect.flip(store.begin([holding!]))).toMatchObject({
        _tag: "RedisReplyInvalid",
        command: "begin",
        reason
      })
    })
  )

  it.live(
    "a stage's output is there once it has committed; before, and of a job that is not there, there is none",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const store = yield* client.run(JobStore.JobStore)
        const id = yield* client.run(Fleet.submit({ weight: 3 }))
        expect(yield* store.output(id, "weigh")).toBeNull()
        yield* Effect.scoped(
          Effect.gen(function* () {
            const worker = yield* Fleet.working(redis.url, Fleet.parcelBehaviors())
            yield* Fleet.until(worker.run(Fleet.jobOf(id)), ({ state }) => state === "done")
          })
        )
        expect(yield* store.output(id, "weigh")).toEqual({ output: '{"grams":3000}', input: '{"weight":3}' })
        yield* client.send("DEL", (yield* Fleet.keysOf(client)).find((key) => key.endsWith(`:job:${id}`)) ?? "")
        expect(yield* store.output(id, "weigh")).toBeNull()
      })
  )
})
