/**
 * StageError: the errors of a stage's attempt that do not come from its handler, and their retry policy. Applied by
 * StageOutcome.
 */
import { Schema } from "effect"
import * as Retry from "../worker/Retry.ts"

/** The attempt ran longer than the stage's time-out and was interrupted. Its outside calls may have had effects or costs. */
export class StageTimeout extends Schema.TaggedError<StageTimeout>()("StageTimeout", {
  stage: Schema.String,
  millis: Schema.Int
}) {
  override get message() {
    return `stage ${this.stage} did not finish within ${this.millis} ms`
  }
}
/** An earlier stage's output does not decode: another version wrote it. The job is parked, because a deployment may heal it. */
export class CheckpointUnreadable extends Schema.TaggedError<CheckpointUnreadable>()("CheckpointUnreadable", {
  stage: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `stage ${this.stage}: ${this.reason}`
  }
}
/** The stage's output does not match its schema, or is too large. A retry would not help, so the job fails. */
export class OutputRejected extends Schema.TaggedError<OutputRejected>()("OutputRejected", {
  stage: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `stage ${this.stage}: its output ${this.reason}`
  }
}
export type StageError = StageTimeout | CheckpointUnreadable | OutputRejected

export const isStageError = (error: unknown): error is StageError =>
  error instanceof StageTimeout || error instanceof CheckpointUnreadable || error instanceof OutputRejected

export const policy = Retry.policy<StageError>({
  never: ["OutputRejected"],
  byTag: { CheckpointUnreadable: Retry.notNow }
})
