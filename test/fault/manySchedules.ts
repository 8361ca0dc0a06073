/**
 * A worker with SCHEDULES schedules, of which a fiftieth is due each second: three fifths once a minute, a fifth three times a
 * minute, a fifth on a leap day. Each leaves a message for an actor that nobody serves.
 */
import { Actor, Client, Schedule, Worker } from "@eco2/core"
import { Role } from "@eco2/core/service"
import { Layer, Schema } from "effect"

const Clockwork = Actor.make("clockwork", { Tick: Actor.tell({ payload: Schema.Struct({ slot: Schema.Int }) }) })
const count = Number(process.env.SCHEDULES)
const worker = process.env.WORKER ?? ""

const expression = (i: number): string => {
  if (i % 5 < 3) return `${(Math.floor(i / 5) * 3 + (i % 5)) % 60} * * * * *`
  const second = Math.floor(i / 5) % 20
  return i % 5 === 3 ? `${second},${second + 20},${second + 40} * * * * *` : `${second} 0 4 29 2 *`
}
const schedules = Array.from({ length: count }, (_, i) =>
  Schedule.cronTell(
    `many-${i}`,
    { expression: expression(i), timeZone: "Europe/Berlin" },
    { actor: Clockwork, type: "Tick", payload: (slot) => ({ slot: slot.getTime() }) }
  )
)

Role.run({
  role: worker,
  app: Layer.mergeAll(Layer.empty, ...schedules, Worker.telemetry).pipe(
    Layer.provide(Worker.layer({ role: worker })),
    Layer.provide(Client.fromEnvironment)
  )
})
