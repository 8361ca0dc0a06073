/**
 * Stage: the protocol of one step of a pipeline: the values it reads, its output, and the job's progress after it.
 * Its handler is separate (StageBehavior), so that programs that only submit jobs import no handler.
 */
import { Duration } from "effect"
import type { Schema } from "effect"
import * as Keys from "../redis/Keys.ts"

/** Translates between JSON in Redis and a value, synchronously and without services. */
export type Codec<A> = Schema.ConstraintCodec<A, unknown>
/** The values a stage reads, by name: `input`, and outputs of earlier stages. */
export type Needs = { readonly [name: string]: Schema.ConstraintCodec<unknown, unknown> }
export type Values<N extends Needs> = { readonly [K in keyof N]: N[K]["Type"] }

export interface Stage<Name extends string, N extends Needs, A> {
  readonly name: Name
  readonly needs: N
  readonly output: Codec<A>
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
export type OutputOf<S> = S extends Stage<string, Needs, infer A> ? A : never
export type NeedsOf<S> = S extends Stage<string, infer N, unknown> ? N : never

/** `name`: a word, part of a mailbox's name. `timeout` by default 2 minutes, `concurrency` 100. */
export const make = <const Name extends string, N extends Needs, A>(
  name: Name,
  options: {
    readonly needs: N
    readonly output: Codec<A>
    readonly progress: number
    readonly readsImage?: boolean
    readonly timeout?: Duration.Input
    readonly concurrency?: number
  }
): Stage<Name, N, A> => ({
  name: Keys.word(name),
  needs: options.needs,
  output: options.output,
  progress: options.progress,
  readsImage: options.readsImage ?? false,
  timeout: Duration.fromInputUnsafe(options.timeout ?? "2 minutes"),
  concurrency: options.concurrency ?? 100
})
