/**
 * JobView: a job decoded by its pipeline's types: input and checkpoints, either all (`view`) or those that this version of the
 * code can decode (`parts`), or one output alone (`output`). Exported by Pipeline. Pure.
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

type Decoder<A> = (json: unknown) => Result.Result<A, unknown>
/** By schema, because making a decoder takes longer than decoding. */
const decoders = new WeakMap<object, Decoder<unknown>>()
const decode = <A>(codec: Codec<A>, json: unknown): Result.Result<A, string> => {
  let known = decoders.get(codec)
  if (known === undefined) decoders.set(codec, (known = Schema.decodeUnknownResult(Schema.toCodecJson(codec))))
  return Result.mapError(known(json) as Result.Result<A, unknown>, String)
}
const decodeText = <A>(codec: Codec<A>, text: string): Result.Result<A, string> => {
  const json = fromJson(text)
  return Result.isFailure(json) ? Result.fail("it is not JSON") : decode(codec, json.success)
}

/** The parts of a job that decode, and those that do not. */
export interface Parts<Input, S extends Stages> {
  /** Null when it does not decode. */
  readonly input: Input | null
  readonly outputs: { readonly [K in keyof S]?: OutputOf<S[K]> }
  /** Stages, or "input", whose JSON this version of the code cannot decode, each with the reason. */
  readonly unreadable: ReadonlyMap<string, string>
}

/** Decodes each part of a job by itself, so that one unreadable part does not hide the others. */
export const parts = <Input, S extends Stages>(
  pipeline: Readable<Input, S>,
  job: Job
): Effect.Effect<Parts<Input, S>> =>
  Effect.sync(() => {
    const unreadable = new Map<string, string>()
    const known = <A>(what: string, decoded: Result.Result<A, string>): A | null => {
      if (Result.isSuccess(decoded)) return decoded.success
      unreadable.set(what, decoded.failure)
      return null
    }
    const outputs: { [K in keyof S]?: OutputOf<S[K]> } = {}
    for (const [name, text] of job.outputs) {
      const stage = pipeline.stages[name]
      if (stage === undefined) continue
      const output = known(name, decodeText(stage.output, text))
      if (!unreadable.has(name)) Object.assign(outputs, { [name]: output })
    }
    return { input: known("input", decode(pipeline.input, job.input)), outputs, unreadable }
  })

/** A stage's output from its JSON text (JobStore.output); the failure says why this version of the code cannot decode it. */
export const output = <S extends Stages, K extends keyof S & string>(
  pipeline: { readonly stages: S },
  stage: K,
  text: string
): Result.Result<OutputOf<S[K]>, string> => decodeText(pipeline.stages[stage]!.output as Codec<OutputOf<S[K]>>, text)

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
