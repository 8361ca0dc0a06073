/**
 * Schedule: recurring work, declared in the processes that serve it. Every process with the layer checks for due slots; a slot
 * fires once in the whole fleet (T1), so there is no scheduler process that could fail.
 * A slot submits a job, whose id follows from schedule and slot, or tells an actor. Of slots missed while no process ran, the
 * latest fires once; slots before the schedule was declared, or of a replaced expression, never fire.
 */
import { Duration, Effect, Layer, Schema } from "effect"
import type { Actor, Payload, Protocol, Told } from "../actor/Actor.ts"
import * as Definition from "../config/Definition.ts"
import { formatPlan } from "../job/Job.ts"
import type { Pipeline, Stages } from "../pipeline/Pipeline.ts"
import * as PayloadLimit from "../redis/PayloadLimit.ts"
import { ScheduleLoop } from "./ScheduleLoop.ts"
import type { Work } from "./Schedules.ts"
import * as Timing from "./Timing.ts"

interface Run {
  /** While the last run's job is open, a slot is skipped and counted (`skip`, the default), or fires too (`allow`). */
  readonly overlap?: "skip" | "allow"
}
export interface CronTiming extends Run {
  /** A cron expression of five fields, or six with seconds first. When clocks change: see Timing. */
  readonly expression: string
  /** IANA name; by default UTC. */
  readonly timeZone?: string
}
export interface IntervalTiming extends Run {
  /** At least a second; slots are its multiples since 1970-01-01 UTC. */
  readonly interval: Duration.Input
}

/**
 * - `input`: the slot's input; every process computes it, so it must depend on the slot only
 * - `deadline`: 1 ms to 24 days; default JOB_DEADLINE
 */
export interface JobRun<Input, S extends Stages> {
  readonly pipeline: Pipeline<string, Input, S>
  readonly input: (slot: Date) => Input
  readonly deadline?: Duration.Input
}
/** `payload`: the slot's message, sent at least once. A message has no job that may be open, so its slots are never skipped. */
export interface MessageRun<P extends Protocol, K extends Told<P>> {
  readonly actor: Actor<string, P>
  readonly type: K
  readonly payload: (slot: Date) => Payload<P[K]>
}

/** How errors name a schedule. */
const titled = (name: string) => `schedule ${JSON.stringify(name)}`

class WorkTooLarge extends Schema.TaggedError<WorkTooLarge>()("WorkTooLarge", { bytes: Schema.Int }) {
  override get message() {
    return `it has ${this.bytes} bytes, allowed are ${PayloadLimit.mostBytes}`
  }
}

/** The work of a slot: the parts common to all slots, and its payload as JSON text. */
const work = (common: Omit<Work, "payload">, payload: Effect.Effect<string, { readonly message: string }>) =>
  Effect.flatMap(payload, (text): Effect.Effect<Work, WorkTooLarge> => {
    const bytes = Buffer.byteLength(text)
    return bytes > PayloadLimit.mostBytes
      ? Effect.fail(new WorkTooLarge({ bytes }))
      : Effect.succeed({ ...common, payload: text })
  })

const jobWork = <Input, S extends Stages>(name: string, { deadline, input, pipeline }: JobRun<Input, S>) => {
  const definition = titled(name)
  const [first] = pipeline.plan
  if (first === undefined)
    return Definition.refuse(definition, "its pipeline", pipeline.name, "a pipeline with a stage")
  const common = {
    mailbox: first.mailbox,
    stage: first.name,
    kind: pipeline.name,
    plan: formatPlan(pipeline.plan),
    deadlineMillis:
      deadline === undefined ? null : Duration.toMillis(Definition.duration(definition, "deadline", deadline))
  }
  return (slot: Date) =>
    work(
      common,
      Effect.suspend(() => Effect.map(pipeline.encodeInput(input(slot)), (json) => JSON.stringify(json)))
    )
}
const messageWork = <P extends Protocol, K extends Told<P>>(
  name: string,
  { actor, payload, type }: MessageRun<P, K>
) => {
  if (!Object.hasOwn(actor.protocol, type) || actor.protocol[type]?._tag !== "tell") {
    const tells = Object.keys(actor.protocol).filter((one) => actor.protocol[one]?._tag === "tell")
    Definition.refuse(titled(name), "its message", type, `one that is told: ${tells.join(", ")}`)
  }
  return (slot: Date) =>
    work(
      { mailbox: actor.name, stage: "", kind: type, plan: "", deadlineMillis: null },
      Effect.suspend(() => Effect.map(actor.message(type, payload(slot)), ({ body }) => body))
    )
}

const declare = (
  name: string,
  timing: Timing.Timing,
  { overlap = "skip" }: Run,
  make: (slot: Date) => Effect.Effect<Work, { readonly message: string }>
): Layer.Layer<never, never, ScheduleLoop> => {
  Definition.word("schedule", name)
  if (overlap !== "skip" && overlap !== "allow") {
    Definition.refuse(titled(name), "overlap", overlap, "skip, allow")
  }
  return Layer.effectDiscard(ScheduleLoop.use((loop) => loop.declare({ name, timing, overlap, work: make })))
}

/**
 * Runs at the slots of a cron expression. Throws InvalidDefinition on an expression that is none or whose moments never come, an
 * unknown time zone, a name that is no word.
 *
 *     Schedule.cron("report", { expression: "0 6 * * 1-5", timeZone: "Asia/Seoul" }, {
 *       pipeline: ReportPipeline,
 *       input: (slot) => ({ day: slot.toISOString() })
 *     })
 */
export const cron = <Input, S extends Stages>(name: string, timing: CronTiming, run: JobRun<Input, S>) =>
  declare(name, Timing.cron(timing.expression, timing.timeZone, titled(name)), timing, jobWork(name, run))

/** Runs once in each interval. */
export const every = <Input, S extends Stages>(name: string, timing: IntervalTiming, run: JobRun<Input, S>) =>
  declare(name, Timing.every(timing.interval, titled(name)), timing, jobWork(name, run))

/** As `cron`, but tells an actor. */
export const cronTell = <P extends Protocol, K extends Told<P>>(
  name: string,
  timing: Omit<CronTiming, "overlap">,
  run: MessageRun<P, K>
) => declare(name, Timing.cron(timing.expression, timing.timeZone, titled(name)), {}, messageWork(name, run))

/** As `every`, but tells an actor. */
export const everyTell = <P extends Protocol, K extends Told<P>>(
  name: string,
  timing: Omit<IntervalTiming, "overlap">,
  run: MessageRun<P, K>
) => declare(name, Timing.every(timing.interval, titled(name)), {}, messageWork(name, run))
