/**
 * JobSubmit: accepts jobs, one call for those of one partition and tick, and turns the script's answer into a type. With
 * SUBMIT_REPLICAS a job counts as accepted once that many replicas have it (J6). A part of JobStore.
 */
import { Duration, Effect, Exit, Schema } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import { RateLimited } from "../limit/Limit.ts"
import { MailboxFull } from "../mailbox/Mailbox.ts"
import * as MailboxCapacity from "../policy/MailboxCapacity.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import type { Script } from "../redis/Script.ts"
import * as Job from "./Job.ts"
import type { JobId } from "./Job.ts"
import * as JobScripts from "./JobScripts.ts"
import * as PartitionBatch from "./PartitionBatch.ts"
import { IdempotencyConflict, ImagesFull, LaneFull, NotReplicated, UploadGone } from "./SubmitError.ts"

export interface Submission {
  readonly id: JobId
  readonly bodyHash: string
  readonly owner: string
  readonly pipeline: string
  readonly plan: ReadonlyArray<Job.PlanStep>
  /** JSON text. */
  readonly input: string
  /** The id that `upload` returned, for a job with an image; else null. */
  readonly upload: string | null
  /** W3C traceparent. */
  readonly trace: string
  /** What operators find it by (Pipeline). */
  readonly tags?: ReadonlyArray<string>
}

export interface Accepted {
  /** False: it was accepted before. */
  readonly created: boolean
  /** It is over. */
  readonly ended: boolean
}

export type Submit = (
  submission: Submission
) => Effect.Effect<
  Accepted,
  IdempotencyConflict | MailboxFull | LaneFull | ImagesFull | RateLimited | UploadGone | NotReplicated | RedisError
>

/** How many of a user's latest jobs can be listed (JobStore.ofOwner). A list of this length is one compact block in Redis. */
export const listedJobs = 100

const isJobState = Schema.is(Job.JobState)

type Answer = typeof JobScripts.submit extends Script<ReadonlyArray<infer A>> ? A : never
/** One answer of submit.lua. */
interface Submitted {
  readonly outcome: Answer[0]
  readonly detail: string
  /** Replicas that have it; as many as wanted where none is asked. */
  readonly confirmed: number
}
const submitted =
  (confirmed: number) =>
  (answers: ReadonlyArray<Answer>): ReadonlyArray<Submitted> =>
    answers.map(([outcome, detail]) => ({ outcome, detail, confirmed }))

/** The connections for replicated submits close with the scope. */
export const make = Effect.gen(function* () {
  const redis = yield* RedisClient
  const keyspace = yield* Keyspace
  const config = yield* CoreConfig
  const ttl = Duration.toMillis(config.jobTtl)
  const letterTtl = Duration.toMillis(config.letterTtl)
  const capacityOf = yield* MailboxCapacity.perPartition

  const wanted = config.submitReplicas
  const replicated = wanted === 0 ? null : yield* redis.replicated(wanted)
  const runSubmit = (
    { root }: Partition,
    args: ReadonlyArray<string | number>,
    answered: (exit: Exit.Exit<ReadonlyArray<Submitted>, RedisError>) => void
  ) => {
    if (replicated === null) {
      redis.call(JobScripts.submit, [root], args, (exit) => answered(Exit.map(exit, submitted(wanted))))
    } else {
      const run = replicated.run(JobScripts.submit, [root], args)
      Effect.runCallback(
        Effect.map(run, ({ replicas, reply }) => submitted(replicas)(reply)),
        { onExit: answered }
      )
    }
  }

  const sendSubmit = PartitionBatch.make<Submission & { readonly first: Job.PlanStep }, Submitted>(
    (partition, batch, answered) =>
      runSubmit(
        partition,
        [
          config.clockOffsetMillis,
          Duration.toMillis(config.jobDeadline),
          config.userConcurrency,
          config.laneCapacity,
          config.userRate?.number ?? 0,
          config.userRate === null ? 0 : Math.ceil(Duration.toMillis(config.userRate.window)),
          config.userImageStorage,
          Math.max(ttl, letterTtl),
          listedJobs,
          ...batch.flatMap((job) => [
            job.id,
            job.bodyHash,
            JSON.stringify({
              pipeline: job.pipeline,
              trace: job.trace,
              hash: job.bodyHash,
              plan: Job.formatPlan(job.plan),
              ...(job.tags === undefined || job.tags.length === 0 ? {} : { tags: job.tags })
            }),
            job.first.name,
            job.first.mailbox,
            job.input,
            job.upload ?? "",
            job.owner,
            capacityOf(job.first.mailbox)
          ])
        ],
        answered
      ),
    "submit"
  )

  const submit: Submit = Effect.fnUntraced(function* (job) {
    const first = job.plan[0]
    if (first === undefined) return yield* Effect.die(new Error(`pipeline ${job.pipeline} has no stage`))
    const { confirmed, detail, outcome } = yield* Effect.callback<Submitted, RedisError>((resume) =>
      sendSubmit(keyspace.of(job.id), { ...job, first }, resume)
    )
    if ((outcome === "created" || outcome === "exists") && confirmed < wanted) {
      return yield* new NotReplicated({ wanted, confirmed })
    }
    switch (outcome) {
      case "created":
        return { created: true, ended: false }
      case "exists":
        return { created: false, ended: isJobState(detail) && Job.isOver(detail) }
      case "conflict":
        return yield* new IdempotencyConflict({ jobId: job.id })
      case "full":
        return yield* new MailboxFull({ mailbox: first.mailbox, depth: Number(detail) })
      case "lane-full":
        return yield* new LaneFull({ owner: job.owner, depth: Number(detail) })
      case "rate-limited":
        return yield* new RateLimited({ limit: "USER_RATE", retryAfter: Duration.millis(Number(detail)) })
      case "images-full":
        return yield* new ImagesFull({ owner: job.owner, bytes: Number(detail) })
      case "upload-gone":
        return yield* new UploadGone({ upload: job.upload ?? "" })
    }
  })
  return submit
})
