/** MailboxGauges: sets the gauges of mailboxes from what Mailbox.depths found, alike in each process that tells of them. */
import { Effect, Metric } from "effect"
import * as Metrics from "../telemetry/Metrics.ts"
import type { Depth } from "./Mailbox.ts"

/** `depths` in the order of `names`. */
export const update = (names: ReadonlyArray<string>, depths: ReadonlyArray<Depth>): Effect.Effect<void> =>
  Effect.forEach(
    depths,
    (depth, i) => {
      const labels = { mailbox: names[i]! }
      return Effect.all(
        [
          Metric.update(Metric.withAttributes(Metrics.mailboxDepth, labels), depth.entries),
          Metric.update(Metric.withAttributes(Metrics.mailboxLeased, labels), depth.leased),
          Metric.update(Metric.withAttributes(Metrics.mailboxDue, labels), depth.due),
          Metric.update(Metric.withAttributes(Metrics.mailboxBacklog, labels), depth.entries + depth.due),
          Metric.update(Metric.withAttributes(Metrics.mailboxOldest, labels), depth.oldestMillis / 1000),
          Metric.update(Metric.withAttributes(Metrics.mailboxLetters, labels), depth.letters)
        ],
        { discard: true }
      )
    },
    { discard: true }
  )
