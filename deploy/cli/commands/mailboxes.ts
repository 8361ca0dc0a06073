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
).pipe(Command.withDescription("Entries waiting and in work, by mailbox"), Command.withSubcommands([pause, resume]))
