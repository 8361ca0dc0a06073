/** Calls that share a round trip: each gets its own answer, and none another's. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as PartitionBatch from "../../../packages/core/src/job/PartitionBatch.ts"
import type { RedisError } from "../../../packages/core/src/redis/RedisError.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const partitions = keyNames.partitions(2)
const [first, second] = [partitions[0]!, partitions[1]!]

/** Its calls as effects. */
const batch = (run: Parameters<typeof PartitionBatch.make<number, string>>[0]) => {
  const send = PartitionBatch.make<number, string>(run, "double")
  return (partition: typeof first, item: number) =>
    Effect.callback<string, RedisError>((resume) => send(partition, item, resume))
}

describe("PartitionBatch", () => {
  it.live("calls of one tick and partition share a call, and each gets its own answer", () =>
    Effect.gen(function* () {
      const sent: Array<readonly [number, ReadonlyArray<number>]> = []
      const send = batch(({ index }, items, answered) => {
        sent.push([index, items])
        answered(Exit.succeed(items.map((item) => `answer to ${item}`)))
      })
      const calls = [send(first, 1), send(second, 2), send(first, 3)]
      const answers = yield* Effect.all(calls, { concurrency: "unbounded" })
      expect(answers).toEqual(["answer to 1", "answer to 2", "answer to 3"])
      expect(sent).toEqual([
        [first.index, [1, 3]],
        [second.index, [2]]
      ])
    })
  )

  it.live.each([
    ["fewer", []],
    ["more", ["one", "two", "three"]]
  ] as const)("calls that got %s answers than they are fail: nobody knows which is whose", ([, answers]) =>
    Effect.gen(function* () {
      const send = batch((_, __, answered) => answered(Exit.succeed(answers)))
      const failed = yield* Effect.all([Effect.flip(send(first, 1)), Effect.flip(send(first, 2))], {
        concurrency: "unbounded"
      })
      const wrong = { _tag: "RedisReplyInvalid", command: "double", reason: `${answers.length} answers to 2 calls` }
      expect(failed).toMatchObject([wrong, wrong])
    })
  )
})
