/** `eco2 topics`: the topics of the system, with their events and their age. */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { Operator } from "../Operator.ts"
import { age, print, table } from "../Output.ts"
import { watch, watching } from "../Watching.ts"

export const topics = Command.make("topics", { watch }, ({ watch }) =>
  watching(
    watch,
    Effect.gen(function* () {
      const operator = yield* Operator
      const all = yield* operator.ask(({ topics }) => topics.list({}))
      const since = (at: number | null) => (at === null ? "-" : age(Date.now() - at))
      yield* print(all, () =>
        table(
          all,
          [
            { head: "TOPIC", cell: ({ name }) => name },
            { head: "EVENTS", cell: ({ events }) => events },
            { head: "IN LOG", cell: ({ kept }) => kept },
            { head: "FIELDS", cell: ({ fields }) => fields },
            { head: "LAST", cell: ({ last }) => since(last) },
            { head: "OLDEST", cell: ({ oldest }) => since(oldest) }
          ],
          "no topics"
        )
      )
    })
  )
).pipe(Command.withDescription("Topics (broadcasts to all processes), with their events and their age"))
