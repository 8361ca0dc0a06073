/** `eco2 jobs`: lists jobs, shows one in full, cancels one. */
import { Job } from "@eco2/core/client"
import type { CallState, SpentState } from "@eco2/gateway/operator-api"
import { jobStates, mostLimit } from "@eco2/gateway/operator-api"
import { Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { fail } from "../CommandFailed.ts"
import { Operator } from "../Operator.ts"
import { age, facts, moment, print, say, table } from "../Output.ts"

const id = Argument.String("job").pipe(Argument.withDescription("The job's id"))
const decodeId = Schema.decodeEffect(Job.JobId)
/** Text that is not a job id names no job; the gateway would answer the same. */
const jobPath = (id: string) =>
  Effect.mapBoth(decodeId(id), {
    onFailure: () => fail("notFound", "not found (NOT_FOUND)"),
    onSuccess: (job_id) => ({ params: { job_id } })
  })
const text = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

const list = Command.make(
  "list",
  {
    state: Flag.Literals("state", jobStates).pipe(
      Flag.withDescription("open, ended, or one state"),
      Flag.withDefault("open")
    ),
    pipeline: text("pipeline", "Only jobs of this pipeline"),
    owner: text("owner", "Only jobs of this user"),
    limit: Flag.Int("limit").pipe(
      Flag.withDescription("How many jobs, newest first; at most 1000"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: mostLimit }))),
      Flag.withDefault(100)
    )
  },
  Effect.fnUntraced(function* ({ limit, owner, pipeline, state }) {
    const operator = yield* Operator
    const query = {
      state,
      limit,
      ...(Option.isSome(pipeline) ? { pipeline: pipeline.value } : {}),
      ...(Option.isSome(owner) ? { owner: owner.value } : {})
    }
    const found = yield* operator.ask(({ ops }) => ops.jobs({ query }))
    const now = Date.now()
    yield* print(found, () =>
      table(
        found.jobs,
        [
          { head: "JOB", cell: ({ job_id }) => job_id },
          { head: "PIPELINE", cell: (job) => job.pipeline },
          { head: "OWNER", cell: (job) => job.owner || "-" },
          { head: "STATE", cell: (job) => job.state },
          { head: "STAGE", cell: ({ stage }) => stage },
          { head: "%", cell: ({ progress }) => progress },
          { head: "RUN", cell: ({ run }) => run },
          { head: "ATTEMPTS", cell: ({ attempts }) => attempts },
          { head: "AGE", cell: ({ created }) => age(now - created) },
          { head: "SINCE", cell: ({ since }) => age(now - since) }
        ],
        state === "open" ? "no open jobs; --state ended lists the others" : "no such jobs"
      )
    )
    if (!found.complete) yield* say("not all jobs were scanned; there may be more")
  })
).pipe(Command.withDescription("Jobs, newest first; open ones by default"))

/** The sums of a job's paid calls in one line. */
const spentLine = ({ billed_bad, cost, free, ok, open, tokens, uncertain, unpriced }: typeof SpentState.Type) =>
  [
    `${ok} ok, ${billed_bad} billed for nothing, ${uncertain} uncertain, ${open} open, ${free} free`,
    `cost ${cost}${unpriced === 0 ? "" : ` and ${unpriced} without a price`}`,
    `${tokens} tokens`
  ].join("; ")

const callTable = (calls: ReadonlyArray<typeof CallState.Type>) =>
  table(
    calls,
    [
      { head: "CALL", cell: ({ opened }) => moment(opened) },
      { head: "STAGE", cell: ({ stage }) => stage },
      { head: "RUN", cell: ({ run }) => run },
      { head: "ATTEMPT", cell: ({ attempt }) => attempt },
      { head: "MODEL", cell: ({ service }) => service },
      { head: "BILL", cell: ({ outcome }) => outcome },
      {
        head: "TOOK",
        cell: ({ closed, opened }) => (closed === null ? "-" : `${((closed - opened) / 1_000).toFixed(1)}s`)
      },
      { head: "TOKENS", cell: ({ input, output }) => (input ?? 0) + (output ?? 0) },
      { head: "COST", cell: ({ cost }) => (cost === null ? "-" : String(cost)) },
      { head: "REQUEST", cell: ({ request_id }) => request_id ?? "-" },
      { head: "NOTE", cell: ({ note }) => note ?? "" }
    ],
    ""
  )

const show = Command.make(
  "show",
  { id },
  Effect.fnUntraced(function* ({ id }) {
    const operator = yield* Operator
    const job = yield* operator.ask(({ ops }) => Effect.flatMap(jobPath(id), (path) => ops.job(path)))
    yield* print(job, () => {
      const { calls, spent, ...state } = job
      const known = facts({
        ...state,
        committed: job.committed.join(" "),
        created: moment(job.created),
        deadline: moment(job.deadline),
        ended: moment(job.ended),
        ...(spent === null ? {} : { spent: spentLine(spent) })
      })
      return calls.length === 0 ? known : `${known}\n\n${callTable(calls)}`
    })
  })
).pipe(Command.withDescription("A job's state, times, attempts, error, and its paid calls"))

const cancel = Command.make(
  "cancel",
  { id },
  Effect.fnUntraced(function* ({ id }) {
    const operator = yield* Operator
    const answer = yield* operator.ask(({ ops }) => Effect.flatMap(jobPath(id), (path) => ops.cancelJob(path)))
    if (answer.outcome === "finished") return yield* fail("failed", `job ${id} is over already`)
    yield* print(answer, () => `job ${id} is cancelled${answer.outcome === "already" ? " already" : ""}`)
  })
).pipe(Command.withDescription("Cancel a job, wherever it stands"))

export const jobs = Command.make("jobs").pipe(
  Command.withDescription("List, show and cancel jobs"),
  Command.withSubcommands([list, show, cancel])
)
