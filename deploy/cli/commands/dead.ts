/**
 * `eco2 dead`: dead letters: list, show, redrive, discard. A letter's name is `<mailbox>/<its id there>`, as the list shows it.
 */
import { mostLimit } from "@eco2/gateway/operator-api"
import { Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { fail } from "../CommandFailed.ts"
import { Operator } from "../Operator.ts"
import { age, facts, moment, print, table } from "../Output.ts"

const mailboxFlag = Flag.String("mailbox").pipe(Flag.withDescription("Only letters of this mailbox"), Flag.optional)
const causeFlag = Flag.String("cause").pipe(Flag.withDescription("Only letters of this cause"), Flag.optional)
const limitFlag = Flag.Int("limit").pipe(
  Flag.withDescription("How many letters of a mailbox, newest first; at most 1000"),
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: mostLimit }))),
  Flag.withDefault(100)
)
const letterName = Argument.String("letter").pipe(
  Argument.withDescription("<mailbox>/<partition>/<entry>, as `dead list` shows it")
)

const parse = (name: string) => {
  const match = /^([^/]+)\/(\d+)\/(\d+-\d+)$/.exec(name)
  return match === null
    ? Effect.fail(fail("usage", `"${name}" is not a letter's name, such as scan.vision/0/1795295982449-0`))
    : Effect.succeed({ mailbox: match[1]!, partition: match[2]!, entry: match[3]! })
}
const nameOf = (letter: { readonly mailbox: string; readonly id: string }) => `${letter.mailbox}/${letter.id}`

/** The given mailbox, or all there are. */
const mailboxesOf = Effect.fnUntraced(function* (asked: Option.Option<string>) {
  if (Option.isSome(asked)) return [asked.value]
  const operator = yield* Operator
  return (yield* operator.ask(({ ops }) => ops.mailboxes({}))).map(({ mailbox }) => mailbox)
})
const queryOf = (cause: Option.Option<string>, limit: number) => ({
  limit,
  ...(Option.isSome(cause) ? { cause: cause.value } : {})
})

const list = Command.make(
  "list",
  { mailbox: mailboxFlag, cause: causeFlag, limit: limitFlag },
  Effect.fnUntraced(function* ({ cause, limit, mailbox }) {
    const operator = yield* Operator
    const parts = yield* Effect.forEach(yield* mailboxesOf(mailbox), (name) =>
      operator.ask(({ ops }) => ops.letters({ params: { mailbox: name }, query: queryOf(cause, limit) }))
    )
    const letters = parts.flat().toSorted((a, b) => b.last - a.last)
    const now = Date.now()
    yield* print(letters, () =>
      table(
        letters,
        [
          { head: "LETTER", cell: nameOf },
          { head: "CAUSE", cell: (letter) => letter.cause },
          { head: "ATTEMPTS", cell: ({ attempts }) => attempts },
          { head: "LAST", cell: ({ last }) => age(now - last) },
          { head: "JOB", cell: ({ job_id }) => job_id ?? "-" },
          { head: "MESSAGE", cell: ({ message }) => message.replaceAll(/\s+/g, " ").slice(0, 80) }
        ],
        "no dead letters"
      )
    )
  })
).pipe(Command.withDescription("Dead letters, newest first"))

const show = Command.make(
  "show",
  { letter: letterName },
  Effect.fnUntraced(function* ({ letter }) {
    const operator = yield* Operator
    const params = yield* parse(letter)
    const found = yield* operator.ask(({ ops }) => ops.letter({ params }))
    yield* print(found, () =>
      facts({ letter: nameOf(found), ...found, first: moment(found.first), last: moment(found.last) })
    )
  })
).pipe(Command.withDescription("One letter in full"))

const redrive = Command.make(
  "redrive",
  {
    letters: letterName.pipe(Argument.variadic({ min: 0 })),
    mailbox: mailboxFlag,
    cause: causeFlag,
    all: Flag.Boolean("all").pipe(Flag.withDescription("Letters of every cause"), Flag.withDefault(false)),
    limit: limitFlag
  },
  Effect.fnUntraced(function* ({ all, cause, letters, limit, mailbox }) {
    const operator = yield* Operator
    const byFlags = Option.isSome(mailbox) || Option.isSome(cause) || all
    if (letters.length > 0 ? byFlags : !(Option.isSome(cause) || all))
      return yield* fail(
        "usage",
        "name letters, or choose them with --cause <cause> or --all, optionally of one --mailbox"
      )
    const named = yield* Effect.forEach(letters, parse)
    const answers =
      named.length > 0
        ? yield* Effect.forEach(named, (params) => operator.ask(({ ops }) => ops.redrive({ params })))
        : yield* Effect.forEach(yield* mailboxesOf(mailbox), (name) =>
            operator.ask(({ ops }) => ops.redriveMany({ params: { mailbox: name }, query: queryOf(cause, limit) }))
          )
    const sum = (of: "redriven" | "skipped") => answers.reduce((total, answer) => total + answer[of], 0)
    const total = { redriven: sum("redriven"), skipped: sum("skipped") }
    yield* print(
      total,
      () => `${total.redriven} redriven, ${total.skipped} skipped (their jobs are open, or the letters are gone)`
    )
    if (named.length > 0 && total.skipped > 0) return yield* fail("failed", "not every letter could be redriven")
  })
).pipe(Command.withDescription("Run the work of letters again: by name, by cause, or all"))

const discard = Command.make(
  "discard",
  { letters: letterName.pipe(Argument.variadic({ min: 1 })) },
  Effect.fnUntraced(function* ({ letters }) {
    const operator = yield* Operator
    const named = yield* Effect.forEach(letters, parse)
    yield* Effect.forEach(named, (params) => operator.ask(({ ops }) => ops.discard({ params })))
    yield* print({ discarded: named.length }, () => `${named.length} discarded`)
  })
).pipe(Command.withDescription("Delete letters; their jobs stay failed"))

export const dead = Command.make("dead").pipe(
  Command.withDescription("List, show, redrive and discard dead letters"),
  Command.withSubcommands([list, show, redrive, discard])
)
