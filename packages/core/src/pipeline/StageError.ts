/**
 * StageError: what a stage's attempt may fail of by itself, whatever its handler's errors are; and what such a failure leads
 * to. Decided by StageOutcome.
 */
import { Schema } from "effect"
import * as Retry from "../worker/Retry.ts"

/** The attempt ran longer than the stage's timeout and was interrupted. What it called may have been paid for. */
export class StageTimeout extends Schema.TaggedError<StageTimeout>()("StageTimeout", {
  stage: Schema.String,
  millis: Schema.Int
}) {
  override get message() {
    return `stage ${this.stage} did not finish within ${this.millis} ms`
  }
}
/** What an earlier stage left does not fit what this one reads: another version wrote it. Parked: a deployment may heal it. */
export class CheckpointUnreadable extends Schema.TaggedError<CheckpointUnreadable>()("CheckpointUnreadable", {
  stage: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `stage ${this.stage}: ${this.reason}`
  }
}
/** What the stage leaves does not fit its schema, or is too large. Trying again would not help: the job fails. */
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
