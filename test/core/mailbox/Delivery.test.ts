/** The states of one delivery: what ends it, and what of an attempt's clock remains for the next stage (A3, A5). */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Delivery } from "../../../packages/core/src/mailbox/Delivery.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const held = () =>
  new Delivery({
    partition: keyNames.partitions(1)[0]!,
    mailbox: "weigh",
    entry: "1-0",
    fields: new Map(),
    consumer: "me",
    bornAt: 0
  })

describe("Delivery", () => {
  it.live("A5 a delivery that was ended before a fiber works on it has that fiber interrupted, unless it settles", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.never)
      const [ended, settling, working] = [held(), held(), held()]
      expect(ended.end("release")).toBe(null)
      expect(ended.begun(fiber)).toBe(true)
      settling.settle()
      settling.end("release")
      expect(settling.begun(fiber)).toBe(false)
      expect(working.begun(fiber)).toBe(false)
    })
  )

  it("A3 a delivery kept for its next stage has no time-out until that stage's attempt begins", () => {
    const delivery = held()
    delivery.timesOutAt(5)
    expect(delivery.timeoutAt).toBe(5)
    delivery.settle()
    expect(delivery.timeoutAt).toBe(null)
    delivery.keptFor("label")
    expect([delivery.slot, delivery.isSettling, delivery.timeoutAt]).toEqual(["label", false, null])
  })
})
