/**
 * StageRunners: which stages this process serves, so that a job whose stage has just committed may be kept here for the
 * next one. Filled by StageBehavior, asked by StageBehavior.
 */
import type { Effect, Tracer } from "effect"
import type { ActorSystem } from "../worker/ActorSystem.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import type { Job } from "../job/Job.ts"
import type { Holding } from "../job/JobStore.ts"

/** A stage begun: what to work on, and what stands for it. */
export interface Begun {
  readonly delivery: Delivery
  readonly holding: Holding
  readonly job: Job
  /** The span the job carries from its submit. */
  readonly parent: Tracer.ExternalSpan | undefined
}

export interface StageRunner {
  readonly stage: string
  /** The token of a begin of this stage, unlike any other. */
  readonly nextToken: () => string
  /**
   * Works on one stage and records what came of it; answers the next stage where the job was kept for it.
   * `restore` makes the handler, and nothing else, interruptible.
   */
  readonly run: (
    begun: Begun,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ) => Effect.Effect<Begun | null>
}

const bySystem = new WeakMap<ActorSystem["Service"], Map<string, StageRunner>>()

/** The runners of one process, by mailbox; they go with its ActorSystem. */
export const of = (system: ActorSystem["Service"]): Map<string, StageRunner> => {
  const known = bySystem.get(system) ?? new Map<string, StageRunner>()
  bySystem.set(system, known)
  return known
}
