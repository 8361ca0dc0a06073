/** `eco2 mailboxes`: the entries waiting and in work. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { Operator } from "../Operator.ts"
import { age, print, table } from "../Output.ts"
import { watch, watching } from "../Watching.ts"

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
            { head: "OLDEST", cell: ({ entries, oldest_ms }) => (entries === 0 ? "-" : age(oldest_ms)) }
          ],
          "no mailboxes"
        )
      )
    })
  )
).pipe(Command.withDescription("Entries waiting and in work, by mailbox"))
