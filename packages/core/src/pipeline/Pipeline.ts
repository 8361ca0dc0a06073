/**
 * Pipeline: a sequence of stages, each an actor with its own mailbox `<pipeline>.<stage>`. A stage that needs the output of no
 * earlier stage does not compile. After a crash only the interrupted stage runs again (J2).
 * A pipeline is a protocol: clients submit with it and load no handler; workers serve its stages (StageBehavior).
 */
import { Effect, Schema } from "effect"
import type { Duration } from "effect"
import { hash } from "node:crypto"
import type { RateLimited } from "../limit/Limit.ts"
import type { MailboxFull } from "../mailbox/Mailbox.ts"
import * as Definition from "../config/Definition.ts"
import * as MailboxNames from "../mailbox/MailboxNames.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import * as PayloadLimit from "../redis/PayloadLimit.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Tracing from "../telemetry/Tracing.ts"
import { JobUnreadable } from "../job/Job.ts"
import type { JobId, PlanStep } from "../job/Job.ts"
import { JobEnds } from "../job/JobEnds.ts"
import type { JobMissing, JobStillOpen } from "../job/JobEnds.ts"
import { mint } from "../job/JobId.ts"
import { output, parts, view } from "./JobView.ts"
import type { Parts, View } from "./JobView.ts"
import { InputTooLarge, JobStore } from "../job/JobStore.ts"
import type { IdempotencyConflict, ImagesFull, LaneFull, NotReplicated, UploadGone } from "../job/JobStore.ts"
import type { Codec, Needs, NeedsOf, OutputOf, Stage, Stages, Values } from "./Stage.ts"

export { output, parts, view }
export type { Parts, View }

export type { OutputOf, Stages }

/** A stage's name, unless one of the stages has it; names made at run time are checked then. */
type Free<N extends string, S extends Stages> = string extends N | keyof S ? N : N extends keyof S ? never : N

/** `Input`: the input of a job. `S`: the stages by name, in order of addition. */
export interface Pipeline<Name extends string, Input, S extends Stages> {
  readonly name: Name
  readonly input: Codec<Input>
  readonly stages: S
  readonly plan: ReadonlyArray<PlanStep>
  readonly encodeInput: (input: unknown) => Effect.Effect<unknown, Schema.SchemaError>
  /** What operators find a job of this input by. */
  readonly tagsOf: (input: unknown) => ReadonlyArray<string>
  /**
   * Adds a stage at the end. A stage of a name that is taken, or that reads what no earlier stage leaves, does not compile.
   * Those, and a progress below the last stage's, also throw InvalidDefinition.
   */
  readonly add: <N extends string, M extends Needs, A, P>(
    stage: [{ readonly input: Input } & { readonly [K in keyof S]: OutputOf<S[K]> }, N] extends [Values<M>, Free<N, S>]
      ? Stage<N, M, A, P>
      : never
  ) => Pipeline<Name, Input, S & { readonly [K in N]: Stage<N, M, A, P> }>
}

/** The values that a stage's handler reads: `Read<typeof ScanPipeline, "vision">`. */
export type Read<P extends { readonly stages: Stages }, K extends keyof P["stages"]> = Values<NeedsOf<P["stages"][K]>>

/** Tags of a job, and letters of one; more are cut off. */
const mostTags = 8
const mostTagLetters = 80

/**
 * A pipeline without stages yet. `name`: a word, part of mailbox names. `tags`: what operators find a job by, as `model:gpt-5`;
 * they are stored with each job and are no secret of its user.
 */
export const make = <const Name extends string, Input>(
  name: Name,
  options: { readonly input: Codec<Input>; readonly tags?: (input: NoInfer<Input>) => ReadonlyArray<string> }
): Pipeline<Name, Input, {}> => build(Definition.word("pipeline", name), options.input, options.tags, {}, [])

const build = <Name extends string, Input, S extends Stages>(
  name: Name,
  input: Codec<Input>,
  tags: ((input: Input) => ReadonlyArray<string>) | undefined,
  stages: S,
  plan: ReadonlyArray<PlanStep>
): Pipeline<Name, Input, S> => ({
  name,
  input,
  stages,
  plan,
  encodeInput: Schema.encodeUnknownEffect(Schema.toCodecJson(input)),
  tagsOf: (given) => (tags?.(given as Input) ?? []).slice(0, mostTags).map((tag) => tag.slice(0, mostTagLetters)),
  add: <N extends string, M extends Needs, A, P>(stage: Stage<N, M, A, P>) => {
    const mailbox = `${name}.${stage.name}`
    check(name, plan, stage)
    MailboxNames.claim(mailbox, "stage")
    return build<Name, Input, S & { readonly [K in N]: Stage<N, M, A, P> }>(
      name,
      input,
      tags,
      { ...stages, [stage.name]: stage } as S & { readonly [K in N]: Stage<N, M, A, P> },
      [...plan, { name: stage.name, mailbox, progress: stage.progress, image: stage.readsImage }]
    )
  }
})

/** The most stages: each is in the plan that every job carries. */
const mostStages = 100

/** Refuses a stage that could not work behind the stages before it; most of this does not compile either. */
const check = (name: string, plan: ReadonlyArray<PlanStep>, stage: Stage<string, Needs, unknown>): void => {
  const pipeline = `pipeline ${JSON.stringify(name)}`
  const names = plan.map((step) => step.name)
  if (names.includes(stage.name)) {
    Definition.refuse(pipeline, "a stage added", stage.name, "a stage of a name that it does not have yet")
  }
  for (const need of Object.keys(stage.needs)) {
    if (need === "input" || names.includes(need)) continue
    const field = `what stage ${JSON.stringify(stage.name)} reads`
    Definition.refuse(pipeline, field, need, `one of the stages before it, or input: ${["input", ...names].join(", ")}`)
  }
  const last = plan.at(-1)
  if (last !== undefined && stage.progress < last.progress) {
    const field = `progress of stage ${JSON.stringify(stage.name)}`
    const allowed = `at least the ${last.progress} of the stage before it, ${JSON.stringify(last.name)}`
    Definition.refuse(pipeline, field, stage.progress, allowed)
  }
  Definition.integer(pipeline, "its number of stages", plan.length + 1, { min: 1, max: mostStages })
}

export interface Submitted {
  readonly id: JobId
  /** False: an earlier submit with the same (owner, key) created the job (J6). */
  readonly created: boolean
}

/**
 * Submits a job. The same (owner, key) is one job, however often and concurrently it is submitted (J6).
 * - `key`: idempotency key; null: always a new job
 * - `body`: the text the key is bound to, by default the input; the key with another body is IdempotencyConflict
 * - `bodyHash`: instead of it its SHA-256 in base64url, where the text is not at hand
 * - `image`: bytes stored beside the job for the stages that read them; two more round trips
 * InputTooLarge, MailboxFull, LaneFull, ImagesFull, RateLimited (USER_RATE), RedisFull, RedisRefused, IdempotencyConflict: nothing happened.
 * RedisUnavailable, NotReplicated (SUBMIT_REPLICAS): unknown; submit again with the same key.
 */
export const submit = Effect.fnUntraced(function* <Name extends string, Input, S extends Stages>(
  pipeline: Pipeline<Name, Input, S>,
  input: Input,
  options: {
    readonly owner: string | null
    readonly key: string | null
    readonly body?: string
    readonly bodyHash?: string
    readonly image?: Uint8Array
  }
): Effect.fn.Return<
  Submitted,
  | InputTooLarge
  | IdempotencyConflict
  | MailboxFull
  | LaneFull
  | ImagesFull
  | RateLimited
  | UploadGone
  | NotReplicated
  | RedisError,
  JobStore | Keyspace
> {
  if (pipeline.plan.length === 0) {
    return yield* Effect.sync(() =>
      Definition.refuse(`pipeline ${pipeline.name}`, "its number of stages", 0, "1 or more")
    )
  }
  const store = yield* JobStore
  const { partitions } = yield* Keyspace
  const json = JSON.stringify(yield* Effect.orDie(pipeline.encodeInput(input)))
  // checked before anything is sent or hashed
  for (const [part, bytes, most] of [
    ["input", Buffer.byteLength(json), PayloadLimit.mostBytes],
    ["image", options.image?.length ?? 0, PayloadLimit.mostImageBytes],
    ["owner", Buffer.byteLength(options.owner ?? ""), PayloadLimit.mostNameBytes],
    ["key", Buffer.byteLength(options.key ?? ""), PayloadLimit.mostNameBytes]
  ] as const) {
    if (bytes > most) return yield* new InputTooLarge({ part, bytes, most })
  }
  const id = mint({ pipeline: pipeline.name, owner: options.owner, key: options.key, partitions: partitions.length })
  const submission = {
    id,
    // without a key no other request can have this id
    bodyHash: options.key === null ? "" : (options.bodyHash ?? hash("sha256", options.body ?? json, "base64url")),
    owner: options.owner ?? "",
    pipeline: pipeline.name,
    plan: pipeline.plan,
    input: json,
    trace: yield* Tracing.current,
    tags: pipeline.tagsOf(input)
  }
  const image = options.image
  const submit = (upload: string | null) =>
    Effect.map(store.submit({ ...submission, upload }), ({ created }): Submitted => ({ id, created }))
  if (image === undefined) return yield* submit(null)
  // a repeat is detected before megabytes of image are sent for nothing
  const repeated =
    options.key === null ? null : yield* Effect.catchTag(submit(id), "UploadGone", () => Effect.succeed(null))
  if (repeated !== null) return repeated
  return yield* submit(yield* store.upload(id, image))
})

/** Whether a job that was submitted under this key is there, in whatever state. One round trip. */
export const isSubmitted = Effect.fnUntraced(function* <Name extends string, Input, S extends Stages>(
  pipeline: Pipeline<Name, Input, S>,
  { key, owner }: { readonly owner: string; readonly key: string }
): Effect.fn.Return<boolean, RedisError, JobStore | Keyspace> {
  const store = yield* JobStore
  const { partitions } = yield* Keyspace
  const id = mint({ pipeline: pipeline.name, owner, key, partitions: partitions.length })
  return yield* store.get(id).pipe(
    Effect.map((job) => job !== null),
    Effect.catchTag("JobUnreadable", () => Effect.succeed(true))
  )
})

/** The job failed, with the reason. An operator may redrive it. */
export class JobFailed extends Schema.TaggedError<JobFailed>()("JobFailed", {
  id: Schema.String,
  code: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `job ${this.id} failed: ${this.code}${this.reason === "" ? "" : ` (${this.reason})`}`
  }
}
/** The job was cancelled. */
export class JobCancelled extends Schema.TaggedError<JobCancelled>()("JobCancelled", { id: Schema.String }) {
  override get message() {
    return `job ${this.id} was cancelled`
  }
}

/**
 * The outputs of all stages of a job; waits until the job is done, up to the deadline.
 * - JobFailed, JobCancelled: the job ended without a result
 * - JobStillOpen, RedisUnavailable: the job goes on; asking again is safe
 * - JobMissing: it never existed, or has expired (JOB_TTL)
 */
export const result = Effect.fnUntraced(function* <Name extends string, Input, S extends Stages>(
  pipeline: Pipeline<Name, Input, S>,
  id: JobId,
  options: { readonly deadline: Duration.Input }
): Effect.fn.Return<
  { readonly [K in keyof S]: OutputOf<S[K]> },
  JobFailed | JobCancelled | JobStillOpen | JobMissing | JobUnreadable | RedisError,
  JobEnds
> {
  const job = yield* JobEnds.use((ends) => ends.wait(id, options))
  if (job.state === "cancelled") return yield* new JobCancelled({ id })
  if (job.state === "failed") {
    return yield* new JobFailed({ id, code: job.error?.code ?? "", reason: job.error?.message ?? "" })
  }
  const { outputs } = yield* view(pipeline, job)
  // a done job has a checkpoint for each stage of its plan, but another version may have made the plan
  const lacking = Object.keys(pipeline.stages).filter((name) => !(name in outputs))
  if (lacking.length > 0) return yield* new JobUnreadable({ id, reason: `it has no stage ${lacking.join(", ")}` })
  return outputs as { readonly [K in keyof S]: OutputOf<S[K]> }
})
