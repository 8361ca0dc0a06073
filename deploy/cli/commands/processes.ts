/** `eco2 processes`: the live processes, their roles, and the entries each holds. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { Operator } from "../Operator.ts"
import { age, print, table } from "../Output.ts"
import { watch, watching } from "../Watching.ts"

export const processes = Command.make("processes", { watch }, ({ watch }) =>
  watching(
    watch,
    Effect.gen(function* () {
      const operator = yield* Operator
      const all = yield* operator.ask(({ ops }) => ops.processes({}))
      yield* print(all, () =>
        table(
          all,
          [
            { head: "PROCESS", cell: ({ token }) => token },
            { head: "ROLE", cell: ({ role }) => role },
            { head: "STATE", cell: ({ state }) => state },
            { head: "IN FLIGHT", cell: ({ in_flight }) => in_flight },
            { head: "LAST HEARD", cell: ({ heard_ms }) => (heard_ms === null ? "-" : `${age(heard_ms)} ago`) },
            {
              head: "LEASE",
              cell: ({ lease_ms }) => (lease_ms > 0 ? `${age(lease_ms)} left` : `over for ${age(-lease_ms)}`)
            }
          ],
          "no live processes"
        )
      )
    })
  )
).pipe(Command.withDescription("Live processes, and how many entries each holds"))
