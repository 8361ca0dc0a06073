/** `eco2 mailboxes`: the entries waiting and in work; pauses and resumes a mailbox. */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { Operator } from "../Operator.ts"
import { age, print, table } from "../Output.ts"
import { watch, watching } from "../Watching.ts"

const name = Argument.String("mailbox").pipe(Argument.withDescription("Its name, as `eco2 mailboxes` shows it"))
const pause = Command.make(
  "pause",
  { name },
  Effect.fnUntraced(function* ({ name }) {
    const operator = yield* Operator
    const now = yield* operator.ask(({ controls }) => controls.pauseMailbox({ params: { mailbox: name } }))
    yield* print(now, () => `${name} is paused: nothing is taken from it until \`eco2 mailboxes resume ${name}\``)
  })
).pipe(Command.withDescription("Take nothing from a mailbox until it is resumed; running attempts end"))
const resume = Command.make(
  "resume",
  { name },
  Effect.fnUntraced(function* ({ name }) {
    const operator = yield* Operator
    const now = yield* operator.ask(({ controls }) => controls.resumeMailbox({ params: { mailbox: name } }))
    yield* print(now, () => `${name} is served again`)
  })
).pipe(Command.withDescription("Serve a paused mailbox again"))

const span = (millis: number) => (millis < 10_000 ? `${Math.round(millis)}ms` : age(millis))
const both = (times: { readonly p50: number; readonly p95: number } | null) =>
  times === null ? "-" : `${span(times.p50)} / ${span(times.p95)}`
const rates = Command.make("rates", { watch }, ({ watch }) =>
  watching(
    watch,
    Effect.gen(function* () {
      const operator = yield* Operator
      const windows = yield* operator.ask(({ rates }) => rates.list({}))
      const rows = windows.flatMap(({ covered_ms, stages }) => stages.map((stage) => ({ covered_ms, ...stage })))
      yield* print(windows, () =>
        table(
          rows,
          [
            { head: "LAST", cell: ({ covered_ms }) => age(covered_ms) },
            { head: "MAILBOX", cell: ({ mailbox }) => mailbox },
            { head: "DONE/MIN", cell: ({ done_a_minute }) => done_a_minute },
            { head: "FAILED/MIN", cell: ({ failed_a_minute }) => failed_a_minute },
            { head: "CANCELLED/MIN", cell: ({ cancelled_a_minute }) => cancelled_a_minute },
            { head: "WAIT P50 / P95", cell: ({ wait_ms }) => both(wait_ms) },
            { head: "RUN P50 / P95", cell: ({ run_ms }) => both(run_ms) }
          ],
          "no job has ended lately"
        )
      )
    })
  )
).pipe(Command.withDescription("Rates and times of stages over 5 minutes and an hour, of jobs that ended"))

export const mailboxes = Command.make("mailboxes", { watch }, ({ watch }) =>
  watching(
    watch,
    Effect.gen(function* () {
      const operator = yield* Operator
      const all = yield* operator.ask(({ ops }) => ops.mailboxes({}))
      yield* print(all, () =>
        table(
          all,
          [
            { head: "MAILBOX", cell: ({ mailbox }) => mailbox },
            { head: "WAITING", cell: ({ entries, leased }) => entries - leased },
            { head: "IN WORK", cell: ({ leased }) => leased },
            { head: "LETTERS", cell: ({ letters }) => letters },
            { head: "OLDEST", cell: ({ entries, oldest_ms }) => (entries === 0 ? "-" : age(oldest_ms)) },
            {
              head: "PAUSED",
              cell: ({ paused_since }) => (paused_since === null ? "-" : `for ${age(Date.now() - paused_since)}`)
            }
          ],
          "no mailboxes"
        )
      )
    })
  )
).pipe(
  Command.withDescription("Entries waiting and in work, by mailbox"),
  Command.withSubcommands([pause, resume, rates])
)
