/** `eco2 news`: the sources of news with their last run; the latest runs; what was rejected, by cause. */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { Operator } from "../Operator.ts"
import { age, moment, print, table } from "../Output.ts"
import { watch, watching } from "../Watching.ts"

const ask = Effect.flatMap(Operator, (operator) => operator.ask(({ news }) => news.show({ query: {} })))
const ago = (at: number | null) => (at === null ? "-" : age(Date.now() - at))
const number = (count: number | null | undefined) => count ?? "-"

const sources = Command.make("sources", { watch }, ({ watch }) =>
  watching(
    watch,
    Effect.gen(function* () {
      const { sources } = yield* ask
      yield* print(sources, () =>
        table(
          sources,
          [
            { head: "SCHEDULE", cell: ({ schedule }) => schedule },
            { head: "WHEN", cell: ({ timing }) => timing },
            { head: "STATE", cell: ({ declared, paused }) => (paused ? "paused" : declared ? "active" : "undeclared") },
            { head: "LAST RUN", cell: ({ last_run }) => ago(last_run) },
            { head: "CAME TO", cell: ({ last }) => last?.cause ?? last?.state ?? "-" },
            { head: "FETCHED", cell: ({ last }) => number(last?.fetched) },
            { head: "NEW", cell: ({ last }) => number(last?.saved) },
            { head: "NEXT", cell: ({ next }) => moment(next) },
            { head: "SKIPS", cell: ({ skips }) => skips }
          ],
          "no schedule collects news"
        )
      )
    })
  )
).pipe(Command.withDescription("Sources, with their last run"))

const runs = Command.make("runs", { watch }, ({ watch }) =>
  watching(
    watch,
    Effect.gen(function* () {
      const { runs } = yield* ask
      yield* print(runs, () =>
        table(
          runs,
          [
            { head: "JOB", cell: ({ job_id }) => job_id },
            { head: "SOURCE", cell: ({ category, schedule, source }) => schedule ?? [source, category].join(" ") },
            { head: "ENDED", cell: ({ ended }) => ago(ended) },
            { head: "CAME TO", cell: ({ cause, state }) => cause ?? state },
            { head: "FETCHED", cell: ({ fetched }) => number(fetched) },
            { head: "NEW", cell: ({ saved }) => number(saved) },
            {
              head: "REJECTED",
              cell: ({ rejected }) => Object.values(rejected).reduce((sum, items) => sum + items, 0)
            },
            { head: "LEFT", cell: ({ left }) => number(left) }
          ],
          "no run is kept"
        )
      )
    })
  )
).pipe(Command.withDescription("The latest runs that are kept, the last that ended first"))

const rejected = Command.make("rejected", { watch }, ({ watch }) =>
  watching(
    watch,
    Effect.gen(function* () {
      const { rejected } = yield* ask
      yield* print(rejected, () =>
        table(
          rejected,
          [
            { head: "SOURCE", cell: ({ source }) => source },
            { head: "CAUSE", cell: ({ cause }) => cause },
            { head: "ITEMS", cell: ({ items }) => items },
            { head: "RUNS", cell: ({ runs }) => runs }
          ],
          "nothing was rejected"
        )
      )
    })
  )
).pipe(Command.withDescription("Items that were no articles, by source and cause, of the runs that are kept"))

export const news = Command.make("news").pipe(
  Command.withDescription("Sources of news, their runs, what was rejected"),
  Command.withSubcommands([sources, runs, rejected])
)
