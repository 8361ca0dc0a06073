/**
 * JobView: a job decoded by its pipeline's types: input and checkpoints, either all (`view`) or those that this version of the
 * code can decode (`parts`). Exported by Pipeline. Pure.
 */
import { Effect, Result, Schema } from "effect"
import { JobUnreadable } from "../job/Job.ts"
import type { Job } from "../job/Job.ts"
import type { Codec, OutputOf, Stages } from "./Stage.ts"

/** The parts of a pipeline that reading its jobs needs. */
interface Readable<Input, S extends Stages> {
  readonly name: string
  readonly input: Codec<Input>
  readonly stages: S
}

/** A job of this pipeline, decoded: its input and the outputs of its stages so far. */
export interface View<Input, S extends Stages> {
  readonly input: Input
  readonly outputs: { readonly [K in keyof S]?: OutputOf<S[K]> }
}

const fromJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))

/** The parts of a job that decode, and those that do not. */
export interface Parts<Input, S extends Stages> {
  /** Null when it does not decode. */
  readonly input: Input | null
  readonly outputs: { readonly [K in keyof S]?: OutputOf<S[K]> }
  /** Stages, or "input", whose JSON this version of the code cannot decode, each with the reason. */
  readonly unreadable: ReadonlyMap<string, string>
}

/** Decodes each part of a job by itself, so that one unreadable part does not hide the others. */
export const parts = Effect.fnUntraced(function* <Input, S extends Stages>(
  pipeline: Readable<Input, S>,
  job: Job
): Effect.fn.Return<Parts<Input, S>> {
  const unreadable = new Map<string, string>()
  const decode = <A>(what: string, codec: Codec<A>, json: unknown) =>
    Schema.decodeUnknownEffect(Schema.toCodecJson(codec))(json).pipe(
      Effect.catch((issue) =>
        Effect.sync(() => {
          unreadable.set(what, String(issue))
          return null
        })
      )
    )
  const outputs: { [K in keyof S]?: OutputOf<S[K]> } = {}
  for (const [name, text] of job.outputs) {
    const stage = pipeline.stages[name]
    if (stage === undefined) continue
    const json = fromJson(text)
    if (Result.isFailure(json)) {
      unreadable.set(name, "it is not JSON")
      continue
    }
    const output = yield* decode(name, stage.output, json.success)
    if (!unreadable.has(name)) Object.assign(outputs, { [name]: output })
  }
  return { input: yield* decode("input", pipeline.input, job.input), outputs, unreadable }
})

/** Decodes a job's input and checkpoints; JobUnreadable names the part that does not decode. */
export const view = Effect.fnUntraced(function* <Input, S extends Stages>(
  pipeline: Readable<Input, S>,
  job: Job
): Effect.fn.Return<View<Input, S>, JobUnreadable> {
  if (job.pipeline !== pipeline.name)
    return yield* new JobUnreadable({ id: job.id, reason: `it belongs to ${job.pipeline}` })
  const { input, outputs, unreadable } = yield* parts(pipeline, job)
  for (const [what, reason] of unreadable) return yield* new JobUnreadable({ id: job.id, reason: `${what}: ${reason}` })
  return { input: input as Input, outputs }
})
