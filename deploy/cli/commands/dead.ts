/**
 * `eco2 dead`: dead letters: list, show, redrive, discard. A letter's name is `<mailbox>/<its id there>`, as the list shows it.
 */
import { mostLimit } from "@eco2/gateway/operator-words"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Choice from "../Choice.ts"
import { fail } from "../CommandFailed.ts"
import type { CommandFailed } from "../CommandFailed.ts"
import { Operator } from "../Operator.ts"
import { age, facts, moment, print, say, table } from "../Output.ts"
import { watch, watching } from "../Watching.ts"

const mailboxFlag = Flag.String("mailbox").pipe(Flag.withDescription("Only letters of this mailbox"), Flag.optional)
const limitFlag = Flag.Int("limit").pipe(
  Flag.withDescription("How many letters of a mailbox, newest first; at most 1000, by default 100"),
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: mostLimit }))),
  Flag.optional
)
const usualLimit = 100
const letterName = Argument.String("letter").pipe(
  Argument.withDescription(
    "<mailbox>/<partition>/<entry>, as `dead list` shows it; - reads them from standard input, as `dead list --json` prints them"
  )
)

const parse = (name: string) => {
  const match = /^([^/]+)\/(\d+)\/(\d+-\d+)$/.exec(name)
  return match === null
    ? Effect.fail(fail("usage", `"${name}" is not a letter's name, such as scan.vision/0/1795295982449-0`))
    : Effect.succeed({ mailbox: match[1]!, partition: match[2]!, entry: match[3]! })
}
const nameOf = (letter: { readonly mailbox: string; readonly id: string }) => `${letter.mailbox}/${letter.id}`

/** The given mailbox, or those of the pipeline and stage: a stage's mailbox is `<pipeline>.<stage>`. */
const mailboxesOf = Effect.fnUntraced(function* (asked: Option.Option<string>, chosen: Choice.Chosen) {
  if (Option.isSome(asked)) return [asked.value]
  const operator = yield* Operator
  const { pipeline, stage } = Choice.placeOf(chosen)
  return (yield* operator.ask(({ ops }) => ops.mailboxes({})))
    .map(({ mailbox }) => mailbox)
    .filter(
      (name) =>
        (pipeline === undefined || name.startsWith(`${pipeline}.`)) &&
        (stage === undefined || name.endsWith(`.${stage}`))
    )
})

const list = Command.make(
  "list",
  { mailbox: mailboxFlag, ...Choice.flags, limit: limitFlag, watch },
  ({ limit, mailbox, watch, ...chosen }) =>
    watching(
      watch,
      Effect.gen(function* () {
        const operator = yield* Operator
        const now = Date.now()
        const most = Option.getOrElse(limit, () => usualLimit)
        const query = { limit: most, ...Choice.queryOf(chosen, now) }
        const parts = yield* Effect.forEach(yield* mailboxesOf(mailbox, chosen), (name) =>
          operator.ask(({ ops }) => ops.letters({ params: { mailbox: name }, query }))
        )
        const letters = parts.flat().toSorted((a, b) => b.last - a.last)
        if (letters.length === 0) yield* Choice.checkCause(chosen.cause)
        const named = letters.map((letter) => ({ letter: nameOf(letter), ...letter }))
        yield* print(named, () =>
          table(
            letters,
            [
              { head: "LETTER", cell: nameOf },
              { head: "CAUSE", cell: (letter) => letter.cause },
              { head: "ATTEMPTS", cell: ({ attempts }) => attempts },
              { head: "LAST", cell: ({ last }) => age(now - last) },
              { head: "JOB", cell: ({ job_id }) => job_id ?? "-" },
              { head: "MESSAGE", cell: ({ message }) => message.replaceAll(/\s+/g, " ") }
            ],
            "no dead letters"
          )
        )
        const full = Option.isSome(limit) ? 0 : parts.filter(({ length }) => length === most).length
        if (full > 0)
          yield* say(`only the newest ${most} of ${full === 1 ? "a mailbox" : `${full} mailboxes`}; --limit shows more`)
      })
    )
).pipe(Command.withDescription("Dead letters, newest first"))

const show = Command.make(
  "show",
  { letter: letterName },
  Effect.fnUntraced(function* ({ letter }) {
    const operator = yield* Operator
    const params = yield* parse(letter)
    const found = yield* operator.ask(({ ops }) => ops.letter({ params }))
    const named = { letter: nameOf(found), ...found }
    yield* print(named, () => facts({ ...named, first: moment(found.first), last: moment(found.last) }))
  })
).pipe(Command.withDescription("One letter in full"))

/** Which letters a command is for. */
const chosenFlags = {
  letters: letterName.pipe(Argument.variadic({ min: 0 })),
  mailbox: mailboxFlag,
  ...Choice.flags,
  all: Choice.all,
  limit: Choice.most,
  dryRun: Choice.dryRun
}
interface Given extends Choice.Chosen {
  readonly letters: ReadonlyArray<string>
  readonly mailbox: Option.Option<string>
  readonly all: boolean
}
/** A mailbox alone chooses nothing: its letters may have many causes. */
const byFlags = ({ all, letters, mailbox, ...chosen }: Given) => {
  const isChosen = all || Choice.isAny(chosen)
  const isBoth = letters.length > 0 && (isChosen || Option.isSome(mailbox))
  return isBoth || (letters.length === 0 && !isChosen)
    ? Effect.fail(
        fail(
          "usage",
          "name letters, or choose them with flags (--cause, --pipeline, --stage, --owner, --age, --since) or --all, optionally of one --mailbox"
        )
      )
    : Effect.succeed(isChosen)
}

interface Query {
  readonly limit: number
  readonly cursor: string
  readonly dry_run: "true" | "false"
}
interface Step {
  readonly matched: number
  readonly changed: number
  readonly next: string | null
}
/** Walks over the chosen letters of the mailboxes, at most `most` of each, by calls that change a bounded number. */
const walk = Effect.fnUntraced(function* <R>(
  mailboxes: ReadonlyArray<string>,
  most: number,
  word: string,
  call: (mailbox: string, query: Query) => Effect.Effect<Step, CommandFailed, R>,
  isDry: boolean
) {
  const total = { matched: 0, changed: 0 }
  /** Letters that were met and are left, and mailboxes in which not all were met. */
  const rest: Array<string> = []
  const told = Choice.progress(() => `${total.changed} ${word}`)
  const steps = Effect.forEach(
    mailboxes,
    Effect.fnUntraced(function* (mailbox) {
      let cursor: string | null = ""
      for (let left = most; cursor !== null && left > 0;) {
        const query: Query = { limit: Math.min(Choice.step, left), cursor, dry_run: isDry ? "true" : "false" }
        const step: Step = yield* call(mailbox, query)
        total.matched += step.matched
        total.changed += step.changed
        left -= step.matched
        cursor = step.next
        if (!isDry) yield* told.shown
      }
      if (cursor !== null) rest.push(mailbox)
    }),
    { discard: true }
  )
  yield* isDry
    ? steps
    : steps.pipe(
        Effect.onError(() => told.brokenOff),
        Effect.ensuring(told.over)
      )
  return { ...total, rest }
})
const restLine = (rest: ReadonlyArray<string>) => (rest.length === 0 ? "" : `; there may be more in ${rest.join(", ")}`)

const redrive = Command.make(
  "redrive",
  chosenFlags,
  Effect.fnUntraced(function* ({ dryRun, limit, ...given }) {
    const operator = yield* Operator
    if (!(yield* byFlags(given))) {
      const named = yield* Effect.forEach(yield* Choice.namesOf(given.letters, "letter"), parse)
      if (dryRun) return yield* print({ redriven: 0, matched: named.length }, () => `${named.length} would be redriven`)
      const answers = yield* Effect.forEach(
        named,
        (params) => Choice.unlessGone(named)(operator.ask(({ ops }) => ops.redrive({ params }))),
        { concurrency: 16 }
      )
      const redriven = answers.reduce((sum, answer) => sum + (answer?.redriven ?? 0), 0)
      const skipped = answers.length - redriven
      yield* print(
        { redriven, skipped },
        () => `${redriven} redriven, ${skipped} skipped (their jobs are open, or the letters are gone)`
      )
      return skipped > 0 ? yield* fail("failed", "not every letter could be redriven") : undefined
    }
    const choice = Choice.queryOf(given, Date.now())
    const most = Option.getOrElse(limit, () => Infinity)
    const { changed, matched, rest } = yield* walk(
      yield* mailboxesOf(given.mailbox, given),
      most,
      "redriven",
      (mailbox, query) =>
        Effect.map(
          operator.ask(({ ops }) => ops.redriveMany({ params: { mailbox }, query: { ...choice, ...query } })),
          ({ matched, next, redriven }) => ({ matched, changed: redriven, next })
        ),
      dryRun
    )
    if (matched === 0) yield* Choice.noteCause(given.cause)
    const total = { redriven: changed, skipped: dryRun ? 0 : matched - changed, matched, complete: rest.length === 0 }
    yield* print(total, () =>
      dryRun
        ? `${matched} would be redriven${restLine(rest)}`
        : `${total.redriven} redriven, ${total.skipped} left (their jobs are open, or the letters are gone)${restLine(rest)}`
    )
  })
).pipe(Command.withDescription("Run the work of letters again: by name, by flags, or all"))

const discard = Command.make(
  "discard",
  { ...chosenFlags, yes: Choice.yes },
  Effect.fnUntraced(function* ({ dryRun, limit, yes, ...given }) {
    const operator = yield* Operator
    if (!(yield* byFlags(given))) {
      const named = yield* Effect.forEach(yield* Choice.namesOf(given.letters, "letter"), parse)
      if (dryRun)
        return yield* print({ discarded: 0, matched: named.length }, () => `${named.length} would be discarded`)
      const answers = yield* Effect.forEach(
        named,
        (params) =>
          Choice.unlessGone(named)(
            Effect.as(
              operator.ask(({ ops }) => ops.discard({ params })),
              true
            )
          ),
        { concurrency: 16 }
      )
      const gone = answers.filter((answer) => answer === null).length
      const discarded = named.length - gone
      return yield* print(
        { discarded, gone },
        () => `${discarded} discarded${gone === 0 ? "" : `, ${gone} were gone already`}`
      )
    }
    const choice = Choice.queryOf(given, Date.now())
    const most = Option.getOrElse(limit, () => Infinity)
    const mailboxes = yield* mailboxesOf(given.mailbox, given)
    const call = (mailbox: string, query: Query) =>
      Effect.map(
        operator.ask(({ ops }) => ops.discardMany({ params: { mailbox }, query: { ...choice, ...query } })),
        ({ discarded, matched, next }) => ({ matched, changed: discarded, next })
      )
    const found = yield* walk(mailboxes, most, "counted", call, true)
    if (found.matched === 0) yield* Choice.noteCause(given.cause)
    if (dryRun || found.matched === 0) {
      return yield* print(
        { discarded: 0, matched: found.matched },
        () => `${found.matched} would be discarded${restLine(found.rest)}`
      )
    }
    yield* Choice.confirm(`Discard ${found.matched} letters? Their jobs stay failed.`, yes)
    const { changed, rest } = yield* walk(mailboxes, most, "discarded", call, false)
    yield* print({ discarded: changed, complete: rest.length === 0 }, () => `${changed} discarded${restLine(rest)}`)
  })
).pipe(Command.withDescription("Delete letters, by name, by flags, or all; their jobs stay failed"))

export const dead = Command.make("dead").pipe(
  Command.withDescription("List, show, redrive and discard dead letters"),
  Command.withSubcommands([list, show, redrive, discard])
)
