/** WorkerTelemetry: readiness and gauges of a process that serves mailboxes; read on demand (Readiness, Gauges). */
import { Clock, Effect, Metric } from "effect"
import { ActorSystem } from "./ActorSystem.ts"
import { Mailbox } from "../mailbox/Mailbox.ts"
import * as MailboxGauges from "../mailbox/MailboxGauges.ts"
import { Gauges } from "../telemetry/Gauges.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { Readiness } from "../supervision/Readiness.ts"

export const register = Effect.gen(function* () {
  const system = yield* ActorSystem
  const mailbox = yield* Mailbox
  const readiness = yield* Readiness
  const gauges = yield* Gauges
  yield* readiness.register("worker", system.trouble, system.failed)
  const age = Metric.withAttributes(Metrics.lastReadAge, { reader: "mailboxes" })
  yield* gauges.register(Effect.suspend(() => Metric.update(age, system.readAge())))
  yield* gauges.register(
    Effect.flatMap(Clock.currentTimeMillis, (here) =>
      Metric.update(Metrics.clockAhead, (system.storeTime() - here) / 1_000)
    )
  )
  yield* gauges.register(
    Effect.suspend(() =>
      Effect.forEach(
        system.outlived(),
        ([mailbox, handlers]) => Metric.update(Metric.withAttributes(Metrics.outlivedRunning, { mailbox }), handlers),
        { discard: true }
      )
    )
  )
  const readDepths = Effect.suspend(() => {
    const served = system.mailboxes().map((one) => one.mailbox)
    return Effect.flatMap(mailbox.depths(served), (depths) => MailboxGauges.update(served, depths))
  })
  // when Redis does not answer, a scrape shows the last known depths
  yield* gauges.register(Effect.ignore(readDepths))
})
