/**
 * A submitter of the fault suite: submits the errands FROM to JOBS − 1 at their times (START_AT + number · EVERY_MILLIS), each
 * under its key until it is accepted, some of them twice at once, and cancels those with that fate. It prints each thing that
 * Redis has confirmed as one JSON line: {accepted, id}, {cancelled, outcome}. After a kill and a restart it continues where
 * the lines end; a job that was accepted without a line is accepted again as the same job (J6).
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Client, JobStore, Pipeline } from "@eco2/core"
import { Effect, Layer, Schedule } from "effect"
import { chance } from "./Chance.ts"
import { Errand, fateOf, keyOf, ownerOf } from "./Errand.ts"

const number = (name: string) => Number(process.env[name])
const [seed, from, jobs] = [number("FAULT_SEED"), number("FROM"), number("JOBS")]
const [startAt, everyMillis] = [number("START_AT"), number("EVERY_MILLIS")]

const say = (line: object) => Effect.sync(() => void process.stdout.write(`${JSON.stringify(line)}\n`))
/** Retries until Redis accepts. Everything here may be sent twice. */
const untilTaken = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.orDie(Effect.retry(effect, { schedule: Schedule.spaced("100 millis") }))

const submit = (n: number) =>
  untilTaken(Pipeline.submit(Errand, { number: n }, { owner: ownerOf(n), key: keyOf(n) })).pipe(
    Effect.tap(({ id }) => say({ accepted: n, id }))
  )

const handIn = Effect.fnUntraced(function* (n: number) {
  yield* Effect.sleep(Math.max(0, startAt + n * everyMillis - Date.now()))
  const twice = chance(seed, "twice", n) < 0.05
  const [{ id }] = yield* Effect.all([submit(n), twice ? submit(n) : Effect.void], { concurrency: 2 })
  if (fateOf(seed, n) !== "cancelled") return
  yield* Effect.sleep(chance(seed, "cancel", n) * 1_500)
  const outcome = yield* untilTaken(JobStore.JobStore.use((store) => store.cancel(id)))
  yield* say({ cancelled: n, outcome })
})

const numbers = Array.from({ length: jobs - from }, (_, i) => from + i)

Effect.forEach(numbers, handIn, { concurrency: 400, discard: true }).pipe(
  Effect.provide(Client.layer.pipe(Layer.provide(Client.fromEnvironment))),
  NodeRuntime.runMain
)
