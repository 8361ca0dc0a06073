/**
 * Job: the states of a job, as its hash in Redis holds them, and what a reader sees.
 * Decoded here once, by Schema, from the flat reply of HGETALL. Written by the scripts alone (pipeline/scripts).
 */
import { Effect, Schema } from "effect"

export const JobId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)),
  Schema.brand("JobId")
)
export type JobId = typeof JobId.Type

/**
 * lane: waits for its user's turn · waiting: in a mailbox · running: begun · delayed: on a timer for a retry · parked: on a
 * timer for its next round, with a dead letter · the other three: over.
 */
export const JobState = Schema.Literals([
  "lane",
  "parked",
  "waiting",
  "running",
  "delayed",
  "done",
  "failed",
  "cancelled"
])
export type JobState = typeof JobState.Type

export const isOver = (state: JobState): boolean => state === "done" || state === "failed" || state === "cancelled"

/** One step of the plan stored with the job: stages added or renamed later do not touch jobs in flight. */
export const PlanStep = Schema.Struct({
  name: Schema.String,
  mailbox: Schema.String,
  /** Percent done once this stage has committed. */
  progress: Schema.Int,
  /** Whether the stage reads the image; after the last that does, the image is deleted. */
  image: Schema.Boolean
})
export type PlanStep = typeof PlanStep.Type

/** Why a job failed or was cancelled. */
export const JobFailure = Schema.Struct({
  code: Schema.String,
  message: Schema.optionalKey(Schema.String),
  stage: Schema.optionalKey(Schema.String),
  attempts: Schema.optionalKey(Schema.Int)
})
export type JobFailure = typeof JobFailure.Type

const Count = Schema.FiniteFromString
/** A counter nobody has written yet is absent: the script that would write its zero has better to do. */
const Counter = Count.pipe(Schema.withDecodingDefaultKey(Effect.succeed("0")))
/** What never changes, written at submit. */
const About = Schema.Struct({
  pipeline: Schema.String,
  /** W3C traceparent. */
  trace: Schema.String,
  plan: Schema.Array(PlanStep)
})
const Fields = Schema.Struct({
  about: Schema.fromJsonString(About),
  /** Who submitted it; "" for nobody. */
  owner: Schema.String,
  state: JobState,
  at: Schema.String,
  input: Schema.fromJsonString(Schema.Unknown),
  progress: Counter,
  run: Count.pipe(Schema.withDecodingDefaultKey(Effect.succeed("1"))),
  attempts: Counter,
  tries: Counter,
  wait: Counter,
  created: Count,
  deadline: Count,
  ended: Schema.optionalKey(Count),
  error: Schema.optionalKey(Schema.fromJsonString(JobFailure))
})

/** A job as read. Checkpoints are still encoded: the pipeline they belong to decodes them. */
export interface Job extends Omit<typeof Fields.Type, "about">, Schema.Schema.Type<typeof About> {
  readonly id: JobId
  /** Checkpoint of each committed stage, JSON text. */
  readonly outputs: ReadonlyMap<string, string>
  /** Milliseconds each committed stage worked. */
  readonly workMillis: ReadonlyMap<string, number>
}

/** The job's hash does not decode: another version wrote it, or somebody else. Nothing happened. */
export class JobUnreadable extends Schema.TaggedError<JobUnreadable>()("JobUnreadable", {
  id: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `job ${this.id} is not readable: ${this.reason}`
  }
}

const decodeFields = Schema.decodeUnknownEffect(Fields)

/** Decodes field, value, field, value, … */
export const fromReply = (id: JobId, reply: ReadonlyArray<unknown>): Effect.Effect<Job, JobUnreadable> => {
  const fields: Record<string, unknown> = {}
  const outputs = new Map<string, string>()
  const workMillis = new Map<string, number>()
  for (let i = 0; i + 1 < reply.length; i += 2) {
    const name = String(reply[i])
    if (name.startsWith("o:")) outputs.set(name.slice(2), String(reply[i + 1]))
    else if (name.startsWith("d:")) workMillis.set(name.slice(2), Number(reply[i + 1]))
    else fields[name] = reply[i + 1]
  }
  return decodeFields(fields).pipe(
    Effect.map(({ about, ...decoded }): Job => ({ ...about, ...decoded, id, outputs, workMillis })),
    Effect.mapError((issue) => new JobUnreadable({ id, reason: String(issue) }))
  )
}
