/** `eco2 limits`: the fleet-wide limits, their usage and waiters; ends a pause. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"

import { Operator } from "../Operator.ts"
import { age, moment, print, say, table } from "../Output.ts"
import { watch, watching } from "../Watching.ts"

type Use = { readonly most: number; readonly used: number } | null
const used = (use: Use) => (use === null ? "-" : `${use.used}/${use.most}`)
const time = (millis: number) => (millis === 0 ? "-" : Duration.format(Duration.millis(millis)))

const list = Command.make("list", { watch }, ({ watch }) =>
  watching(
    watch,
    Effect.gen(function* () {
      const operator = yield* Operator
      const answer = yield* operator.ask(({ limits }) => limits.list({}))
      yield* print(answer, () =>
        table(
          answer.limits,
          [
            { head: "LIMIT", cell: ({ name }) => name },
            {
              head: "PAUSED FOR",
              cell: ({ paused_ms }) => time(paused_ms === 0 ? 0 : Math.max(1_000, Math.ceil(paused_ms / 1_000) * 1_000))
            },
            { head: "REQUESTS", cell: ({ requests }) => used(requests) },
            { head: "UNITS", cell: ({ units }) => used(units) },
            { head: "IN FLIGHT", cell: ({ permits }) => used(permits) },
            { head: "WINDOW", cell: ({ window_ms }) => time(window_ms) },
            { head: "WAITING", cell: ({ waiting }) => waiting },
            { head: "DELAYED", cell: ({ away }) => away }
          ],
          "no limit is in use or paused"
        )
      )
      if (!answer.complete) yield* say("there are more than a thousand; the list has those used last")
    })
  )
).pipe(Command.withDescription("Limits in use or paused, and how much is used"))

const resume = Command.make(
  "resume",
  { limit: Argument.String("limit").pipe(Argument.withDescription("Its name, such as model/gpt-5.2")) },
  Effect.fnUntraced(function* ({ limit }) {
    const operator = yield* Operator
    const answer = yield* operator.ask(({ limits }) => limits.resume({ params: { limit } }))
    yield* print(answer, () => `${limit} is resumed: who was put off comes back within a minute or so`)
  })
).pipe(Command.withDescription("End a pause, such as one that a provider asked for"))

const waiters = Command.make(
  "waiters",
  { limit: Argument.String("limit").pipe(Argument.withDescription("Its name, such as model/gpt-5.2")), watch },
  ({ limit, watch }) =>
    watching(
      watch,
      Effect.gen(function* () {
        const operator = yield* Operator
        const all = yield* operator.ask(({ limits }) => limits.waiters({ params: { limit } }))
        const now = Date.now()
        yield* print(all, () =>
          table(
            all,
            [
              { head: "JOB", cell: ({ job_id }) => job_id ?? "-" },
              { head: "STAGE", cell: ({ stage }) => stage ?? "-" },
              { head: "WAITS", cell: ({ since }) => (since === null ? "-" : age(now - since)) },
              { head: "COMES BACK", cell: ({ due }) => (due === null ? "waits in its stage" : moment(due)) }
            ],
            "nobody waits for it"
          )
        )
      })
    )
).pipe(Command.withDescription("Who waits for a limit, in order"))

export const limits = Command.make("limits").pipe(
  Command.withDescription("List fleet-wide limits, end their pauses"),
  Command.withSubcommands([list, waiters, resume])
)
