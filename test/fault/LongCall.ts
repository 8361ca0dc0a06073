/**
 * LongCall: the pipeline of `npm run test:crashes`: one stage, one call of 4–10 s, whose length the job's number decides. A
 * deadly job ends its process a second after it began.
 */
import { Pipeline, Stage } from "@eco2/core"
import { Schema } from "effect"
import { between, chance } from "./Chance.ts"

export const Input = Schema.Struct({ number: Schema.Int, deadly: Schema.Boolean })

export const call = Stage.make("call", {
  needs: { input: Input },
  output: Schema.Struct({ number: Schema.Int }),
  progress: 100,
  timeout: "30 seconds",
  concurrency: 100
})
export const LongCall = Pipeline.make("call", { input: Input }).add(call)

export const callMillis = (number: number): number => between(chance(number, "call"), 4_000, 10_000)
export const deadlyMillis = 1_000
