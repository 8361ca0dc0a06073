/**
 * Job: a job as its hash in Redis holds it, and as readers see it. It is decoded once, by Schema, from the flat reply of
 * HGETALL: `now` is the fence, `about` and `input` never change, `o:<stage>` are checkpoints, `spent` the sums of its paid calls.
 * Only job/scripts write it.
 */
import * as Schema from "effect/Schema"
import * as Fence from "./Fence.ts"

export const JobId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)),
  Schema.brand("JobId")
)
export type JobId = typeof JobId.Type

/**
 * lane: waits in its user's lane · waiting: in a mailbox · running: begun · delayed: on a timer for a retry · parked: on a
 * timer for its next round, with a dead letter · the other three: ended.
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

/** One step of the plan, stored with the job, so that stages added or renamed later do not change jobs in flight. */
export const PlanStep = Schema.Struct({
  name: Schema.String,
  mailbox: Schema.String,
  /** Progress in percent after this stage has committed. */
  progress: Schema.Int,
  /** Whether the stage reads the image; after the last such stage the image is deleted. */
  image: Schema.Boolean
})
export type PlanStep = typeof PlanStep.Type

/** Why a job failed or was cancelled. */
export const JobFailure = Schema.Struct({
  code: Schema.String,
  message: Schema.optionalKey(Schema.String),
  stage: Schema.optionalKey(Schema.String),
  attempts: Schema.optionalKey(Schema.Int),
  /** More for operators; not for the job's owner. */
  detail: Schema.optionalKey(Schema.String)
})
export type JobFailure = typeof JobFailure.Type

const isFacts = Schema.is(
  Schema.Struct({
    state: JobState,
    run: Schema.Int,
    attempts: Schema.Int,
    tries: Schema.Int,
    deliveries: Schema.Int,
    progress: Schema.Int,
    created: Schema.Int,
    since: Schema.Int,
    wait: Schema.Int,
    deadline: Schema.Int
  })
)

/** The part written at submit that never changes. */
const isAbout = Schema.is(
  Schema.Struct({
    pipeline: Schema.String,
    /** W3C traceparent. */
    trace: Schema.String,
    /** SHA-256 of the body; the idempotency key is bound to it. */
    hash: Schema.String,
    plan: Schema.String,
    /** What operators find it by. */
    tags: Schema.optionalKey(Schema.Array(Schema.String))
  })
)
const isFailure = Schema.is(JobFailure)

/** A job as read. Its pipeline decodes the checkpoints. */
export interface Job {
  readonly id: JobId
  readonly pipeline: string
  /** The user that submitted it; "" for none. */
  readonly owner: string
  /** W3C traceparent. */
  readonly trace: string
  readonly plan: ReadonlyArray<PlanStep>
  readonly state: JobState
  /** The current stage. */
  readonly at: string
  readonly input: unknown
  /** Percent. */
  readonly progress: number
  readonly run: number
  /** Attempts of the current stage, as its retry policy counts them. */
  readonly attempts: number
  /** Begins of all stages and runs. */
  readonly tries: number
  /** The record of crashes at the current stage (A2, Suspicion.read). */
  readonly deliveries: number
  /** Milliseconds waited in mailboxes. */
  readonly wait: number
  /** Epoch milliseconds by Redis's clock. */
  readonly created: number
  readonly deadline: number
  /** When it ended; undefined while it is open. */
  readonly ended?: number
  readonly error?: JobFailure
  /** Checkpoint of each committed stage, JSON text. */
  readonly outputs: ReadonlyMap<string, string>
  /** Milliseconds each committed stage worked. */
  readonly workMillis: ReadonlyMap<string, number>
  /** Sums of its paid calls; absent when it has made none. */
  readonly spent?: Spent
  /** While it is running: the process that began its stage, by its token in the fleet. */
  readonly holder?: string
  /** While it is put off or parked: when it comes back, epoch milliseconds. */
  readonly due?: number
  /** Why it was last put off or parked: an error's tag. */
  readonly cause?: string
}

/**
 * A begun job after the commit of a stage, kept for the next one. It takes over the maps of the job as it was, which is not to be
 * used any more: only the process that holds a begun job has it.
 */
export const kept = (
  job: Job,
  stage: string,
  { at, output, progress, workMillis }: { at: string; output: string; progress: number; workMillis: number }
): Job => {
  const outputs = job.outputs as Map<string, string>
  const works = job.workMillis as Map<string, number>
  outputs.set(stage, output)
  works.set(stage, workMillis)
  return { ...job, state: "running", at, progress, attempts: 1, tries: job.tries + 1, deliveries: 0 }
}

/** Sums over a job's paid calls (CallLedger), of all its runs. */
export interface Spent {
  readonly ok: number
  readonly billedBad: number
  readonly uncertain: number
  /** Under way. */
  readonly open: number
  readonly free: number
  /** Millionths of the currency of the prices, of the calls that have a price. */
  readonly cost: number
  readonly tokens: number
  /** Calls without a price. */
  readonly unpriced: number
}

const spentOf = (text: string): Spent | undefined => {
  const words = text.split(" ").map(Number)
  const [ok, billedBad, uncertain, open, free, cost, tokens, unpriced] = words
  return words.length >= 8 && words.every(Number.isFinite)
    ? ({ ok, billedBad, uncertain, open, free, cost, tokens, unpriced } as Spent)
    : undefined
}

/** The job's hash does not decode: another version or another program wrote it. Nothing happened. */
export class JobUnreadable extends Schema.TaggedError<JobUnreadable>()("JobUnreadable", {
  id: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `job ${this.id} is not readable: ${this.reason}`
  }
}

/** A plan as stored with the job: `vision:25:image rule:50 …`; a stage's mailbox is `<pipeline>.<stage>`. */
export const formatPlan = (plan: ReadonlyArray<PlanStep>): string =>
  plan.map(({ image, name, progress }) => `${name}:${progress}${image ? ":image" : ""}`).join(" ")

const plans = new Map<string, ReadonlyArray<PlanStep>>()
/** Parsed plans kept; a plan beyond them is parsed each time. */
const mostPlans = 200

/** A plan as it is stored; null: it is none. */
export const planOf = (pipeline: string, text: string): ReadonlyArray<PlanStep> | null => {
  const key = `${pipeline} ${text}`
  const known = plans.get(key)
  if (known !== undefined) return known
  const steps: Array<PlanStep> = []
  for (const word of text.split(" ")) {
    const match = /^([^:\s]+):(\d+)(:image)?$/.exec(word)
    if (match === null) return null
    const name = match[1]!
    steps.push({ name, mailbox: `${pipeline}.${name}`, progress: Number(match[2]), image: match[3] !== undefined })
  }
  if (plans.size < mostPlans) plans.set(key, steps)
  return steps
}

const parse = (text: string): unknown => JSON.parse(text)

/** The JSON text of a checkpoint as it is stored: `<milliseconds of work>@<when it was written> <json>`. */
export const outputOf = (checkpoint: string): string => checkpoint.slice(checkpoint.indexOf(" ") + 1)

/** `cause` as stored: `<stage>:<error's tag>`. */
const waitingFor = (state: JobState, due: string, cause: string): Pick<Job, "due" | "cause"> => {
  const tag = cause.slice(cause.indexOf(":") + 1)
  return {
    ...((state === "delayed" || state === "parked") && /^\d+$/.test(due) ? { due: Number(due) } : {}),
    ...(isOver(state) || tag === "" ? {} : { cause: tag })
  }
}

/** Decodes field, value, field, value, …, which begin at `from`. Returns the error and fails no effect: the hot path has none. */
export const fromReply = (id: JobId, reply: ReadonlyArray<unknown>, from = 0): Job | JobUnreadable => {
  const unreadable = (reason: string) => new JobUnreadable({ id, reason })
  const outputs = new Map<string, string>()
  const workMillis = new Map<string, number>()
  let [fenceText, aboutText, inputText, errorText, spentText, dueText, causeText] = ["", "", "", "", "", "", ""]
  for (let i = from; i + 1 < reply.length; i += 2) {
    const name = String(reply[i])
    const value = String(reply[i + 1])
    if (name === "now") fenceText = value
    else if (name === "about") aboutText = value
    else if (name === "input") inputText = value
    else if (name === "error") errorText = value
    else if (name === "spent") spentText = value
    else if (name === "due") dueText = value
    else if (name === "cause") causeText = value
    else if (name.startsWith("o:")) {
      outputs.set(name.slice(2), outputOf(value))
      workMillis.set(name.slice(2), Number.parseInt(value, 10))
    }
  }
  const words = Fence.split(fenceText)
  if (words === null) return unreadable("its fence has too few words, or no number where one must be")
  const facts = {
    state: words.state,
    run: Number(words.run),
    attempts: Number(words.attempts),
    tries: Number(words.tries),
    deliveries: Number(words.deliveries),
    progress: Number(words.progress),
    created: Number(words.created),
    since: Number(words.since),
    wait: Number(words.wait),
    deadline: Number(words.deadline)
  }
  if (!isFacts(facts)) return unreadable(`its fence is "${fenceText}"`)
  try {
    const about = parse(aboutText)
    if (!isAbout(about)) return unreadable("its submitted part has an unknown format")
    const plan = planOf(about.pipeline, about.plan)
    if (plan === null) return unreadable(`its plan is "${about.plan}"`)
    const { since, ...counted } = facts
    const spent = spentText === "" ? undefined : spentOf(spentText)
    const error = errorText === "" ? undefined : parse(errorText)
    if (error !== undefined && !isFailure(error)) return unreadable("its error has an unknown format")
    return {
      ...counted,
      ...(isOver(facts.state) ? { ended: since } : {}),
      id,
      at: words.at,
      owner: words.owner,
      pipeline: about.pipeline,
      trace: about.trace,
      plan,
      input: parse(inputText),
      outputs,
      workMillis,
      ...(spent === undefined ? {} : { spent }),
      ...(facts.state === "running" && words.by !== "-" ? { holder: words.by.split(":", 1)[0] ?? "" } : {}),
      ...waitingFor(facts.state, dueText, causeText),
      ...(error === undefined ? {} : { error })
    }
  } catch (cause) {
    return unreadable(String(cause))
  }
}
