/**
 * Stage: the protocol of one step of a pipeline: the values it reads, its output, and the job's progress after it.
 * Its handler is separate (StageBehavior), so that programs that only submit jobs import no handler.
 */
import type { Config, Duration, Schema } from "effect"
import * as Definition from "../config/Definition.ts"
import * as StageLimits from "../policy/StageLimits.ts"

/** Translates between JSON in Redis and a value, synchronously and without services. */
export type Codec<A> = Schema.ConstraintCodec<A, unknown>
/** The values a stage reads, by name: `input`, and outputs of earlier stages. */
export type Needs = { readonly [name: string]: Schema.ConstraintCodec<unknown, unknown> }
export type Values<N extends Needs> = { readonly [K in keyof N]: N[K]["Type"] }

export interface Stage<Name extends string, N extends Needs, A, P = unknown> {
  readonly name: Name
  readonly needs: N
  readonly output: Codec<A>
  /** The text that the stage shows while it runs (StageJob.emit); null: it shows none. */
  readonly partial: Codec<P> | null
  /** Progress of the job in percent after this stage has committed. */
  readonly progress: number
  readonly readsImage: boolean
  /** An attempt running longer is interrupted and counts as StageTimeout (A3). */
  readonly timeout: Duration.Duration
  /** Jobs handled at once in one process; `<PIPELINE>_<STAGE>_CONCURRENCY` overrides it. */
  readonly concurrency: number
}

/** Stages by name. */
export type Stages = { readonly [name: string]: Stage<string, Needs, unknown> }
export type OutputOf<S> = S extends Stage<string, Needs, infer A, unknown> ? A : never
/** The text a stage shows while it runs; never: it shows none. */
export type PartialOf<S> = S extends Stage<string, Needs, unknown, infer P> ? P : never
export type NeedsOf<S> = S extends Stage<string, infer N, unknown, unknown> ? N : never

/**
 * Names with a meaning of their own beside the stages': in a job's events (`queued`, `done`, …), in an event stream (`error`,
 * `keepalive`, …), among the values a stage reads (`input`), or on every object (`constructor`).
 */
const reserved = [
  "queued",
  "done",
  "failed",
  "cancelled",
  "error",
  "keepalive",
  "message",
  "open",
  "input",
  "constructor"
] as const
export type Reserved = (typeof reserved)[number]

/**
 * - `name`: a word, part of a mailbox's name, and none of the reserved
 * - `partial`: the schema of the text that its handler shows while it runs; by default it shows none
 * - `progress`: whole percent, 0 to 100
 * - `timeout`: 1 ms to 24 hours, by default 2 minutes
 * - `concurrency`: 1 to 100,000, by default 100
 *
 * Throws InvalidDefinition on any other.
 */
export const make = <const Name extends string, N extends Needs, A, P extends string = never>(
  name: Name extends Reserved ? never : Name,
  options: {
    readonly needs: N
    readonly output: Codec<A>
    readonly partial?: Codec<P>
    readonly progress: number
    readonly readsImage?: boolean
    readonly timeout?: Duration.Input
    readonly concurrency?: number
  }
): Stage<Name, N, A, P> => {
  const stage = `stage ${JSON.stringify(name)}`
  const given: string = Definition.word<string>("stage", name)
  if (reserved.some((taken) => taken === given)) {
    Definition.refuse(stage, "its name", name, `any word but ${reserved.join(", ")}`)
  }
  return {
    name,
    needs: options.needs,
    output: options.output,
    partial: options.partial ?? null,
    progress: Definition.integer(stage, "progress", options.progress, { min: 0, max: 100 }),
    readsImage: options.readsImage ?? false,
    timeout: Definition.duration(stage, "timeout", options.timeout ?? "2 minutes", { max: "24 hours" }),
    concurrency: Definition.integer(stage, "concurrency", options.concurrency ?? 100, { min: 1, max: 100_000 })
  }
}

type Timed = { readonly name: string; readonly timeout: Duration.Duration }
/** The variable that overrides a stage's time-out: SCAN_VISION_TIMEOUT. */
export const timeoutVariable = (pipeline: string, { name }: Timed): string =>
  StageLimits.timeoutVariable(`${pipeline}.${name}`)
/** A stage's time-out as the environment has it; an operator's policy may change it later. */
export const timeoutSetting = (pipeline: string, { name, timeout }: Timed): Config.Config<Duration.Duration> =>
  StageLimits.timeout(`${pipeline}.${name}`, timeout)
