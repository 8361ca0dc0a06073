/**
 * StageRunners: the stages this process serves, so that a job whose stage has just committed may be kept here for the next one.
 * StageBehavior fills it, StageRun reads it.
 */
import type { Exit, Tracer } from "effect"
import type { ActorSystem } from "../worker/ActorSystem.ts"
import type { Delivery } from "../mailbox/Delivery.ts"
import type { Job } from "../job/Job.ts"
import type { Holding } from "../job/JobStore.ts"

/** A begun stage: its job, and the entry that represents it. */
export interface Begun {
  readonly delivery: Delivery
  readonly holding: Holding
  readonly job: Job
  /** The span of the job's submit. */
  readonly parent: Tracer.ExternalSpan | undefined
}

export interface StageRunner {
  readonly stage: string
  /** A new unique token for a begin of this stage. */
  readonly nextToken: () => string
  /**
   * Runs a begun stage, and the stages after it for which the job is kept here. `ended` is called once, when the delivery has no
   * work here any more: a failure is a defect outside a handler.
   */
  readonly start: (begun: Begun, ended: (exit: Exit.Exit<unknown, unknown>) => void) => void
}

const bySystem = new WeakMap<ActorSystem["Service"], Map<string, StageRunner>>()

/** The runners of one process, by mailbox; they live as long as its ActorSystem. */
export const of = (system: ActorSystem["Service"]): Map<string, StageRunner> => {
  const known = bySystem.get(system) ?? new Map<string, StageRunner>()
  bySystem.set(system, known)
  return known
}
