/** A mailbox's capacity in each of its partitions. */
import { expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { CoreConfig, Policies } from "@eco2/core"
import * as MailboxCapacity from "../../../packages/core/src/policy/MailboxCapacity.ts"

for (const [capacity, partitions, each] of [
  [10, 4, 3],
  [8, 4, 2],
  [1, 4, 1],
  [10, 1, 10]
] as const) {
  it.effect(`a capacity of ${capacity} entries over ${partitions} partitions is ${each} in each, rounded up`, () =>
    Effect.gen(function* () {
      const capacityOf = yield* MailboxCapacity.perPartition
      expect(capacityOf("parcel.weigh")).toBe(each)
    }).pipe(
      Effect.provide(Layer.merge(Policies.fixed, CoreConfig.layerWith({ mailboxCapacity: capacity, partitions })))
    )
  )
}
