/** `eco2 schedules`: lists schedules with last and next fire; pauses, resumes, runs one now. */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { Operator } from "../Operator.ts"
import { moment, print, table } from "../Output.ts"
import { watch, watching } from "../Watching.ts"

const schedule = Argument.String("schedule").pipe(Argument.withDescription("Its name"))

const list = Command.make("list", { watch }, ({ watch }) =>
  watching(
    watch,
    Effect.gen(function* () {
      const operator = yield* Operator
      const all = yield* operator.ask(({ schedules }) => schedules.list({}))
      yield* print(all, () =>
        table(
          all,
          [
            { head: "SCHEDULE", cell: ({ name }) => name },
            { head: "WHEN", cell: ({ timing }) => timing },
            { head: "WORK", cell: ({ work }) => work },
            { head: "STATE", cell: ({ declared, paused }) => (paused ? "paused" : declared ? "active" : "undeclared") },
            { head: "LAST RUN", cell: ({ last_run }) => moment(last_run) },
            { head: "NEXT", cell: ({ next }) => moment(next) },
            { head: "FIRES", cell: ({ fires }) => fires },
            { head: "SKIPS", cell: ({ skips }) => skips },
            { head: "LAST JOB", cell: ({ last_job_id }) => last_job_id ?? "-" }
          ],
          "no schedules"
        )
      )
    })
  )
).pipe(Command.withDescription("Schedules, with last and next fire"))

const pause = Command.make(
  "pause",
  { schedule },
  Effect.fnUntraced(function* ({ schedule }) {
    const operator = yield* Operator
    const answer = yield* operator.ask(({ schedules }) => schedules.pause({ params: { schedule } }))
    yield* print(answer, () => `${schedule} is paused: no slot fires until it is resumed`)
  })
).pipe(Command.withDescription("Pause: no slot fires from now on"))

const resume = Command.make(
  "resume",
  { schedule },
  Effect.fnUntraced(function* ({ schedule }) {
    const operator = yield* Operator
    const answer = yield* operator.ask(({ schedules }) => schedules.resume({ params: { schedule } }))
    yield* print(answer, () => `${schedule} is resumed: its next slot fires`)
  })
).pipe(Command.withDescription("Resume: slots fire again, except those that passed meanwhile"))

const run = Command.make(
  "run",
  { schedule },
  Effect.fnUntraced(function* ({ schedule }) {
    const operator = yield* Operator
    const answer = yield* operator.ask(({ schedules }) => schedules.run({ params: { schedule } }))
    yield* print(answer, () => `${schedule} runs${answer.job_id === null ? "" : ` as job ${answer.job_id}`}`)
  })
).pipe(Command.withDescription("Run it once now, even if it is paused"))

export const schedules = Command.make("schedules").pipe(
  Command.withDescription("List, pause, resume and run schedules"),
  Command.withSubcommands([list, pause, resume, run])
)
