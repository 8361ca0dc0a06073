/** CallPipeline: the protocol that a worker (caller.ts) and its test share. */
import { Pipeline, Stage } from "@eco2/core"
import { Schema } from "effect"

export const Called = Pipeline.make("called", { input: Schema.String }).add(
  Stage.make("call", { needs: { input: Schema.String }, output: Schema.String, progress: 100 })
)
