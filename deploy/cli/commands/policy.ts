/** `eco2 policy`: a mailbox's settings at run time, which override the environment and the code. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { millis } from "../Choice.ts"
import { fail } from "../CommandFailed.ts"
import { Operator } from "../Operator.ts"
import { print, table } from "../Output.ts"
import { watch, watching } from "../Watching.ts"

const mailbox = Argument.String("mailbox").pipe(Argument.withDescription("Its name, as `eco2 mailboxes` shows it"))
const one = (name: string, what: string) =>
  Flag.String(name).pipe(Flag.withDescription(`${what}; "default" removes it`), Flag.optional)

type State = {
  readonly mailbox: string
  readonly capacity: number | null
  readonly timeout_ms: number | null
  readonly attempts: number | null
  readonly redrives: number | null
  readonly redrive_ms: number | null
}
const time = (millis: number | null) => (millis === null ? "-" : Duration.format(Duration.millis(millis)))
const shown = (all: ReadonlyArray<State>, none: string) =>
  table(
    all,
    [
      { head: "MAILBOX", cell: (policy) => policy.mailbox },
      { head: "CAPACITY", cell: ({ capacity }) => String(capacity ?? "-") },
      { head: "TIMEOUT", cell: ({ timeout_ms }) => time(timeout_ms) },
      { head: "ATTEMPTS", cell: ({ attempts }) => String(attempts ?? "-") },
      { head: "REDRIVES", cell: ({ redrives }) => String(redrives ?? "-") },
      { head: "REDRIVE AFTER", cell: ({ redrive_ms }) => time(redrive_ms) }
    ],
    none
  )

const show = Command.make("show", { watch }, ({ watch }) =>
  watching(
    watch,
    Effect.gen(function* () {
      const operator = yield* Operator
      const all = yield* operator.ask(({ policies }) => policies.list({}))
      yield* print(all, () => shown(all, "no policy is set: environment and code decide"))
    })
  )
).pipe(Command.withDescription("The policies of all mailboxes"))

type Given = Option.Option<string>
/** undefined: not given · null: back to the default. */
const valueOf = Effect.fnUntraced(function* (
  flag: string,
  given: Given,
  parse: (text: string) => number | undefined,
  allowed: string
) {
  if (Option.isNone(given)) return undefined
  if (given.value === "default") return null
  const value = parse(given.value)
  return value === undefined
    ? yield* fail("usage", `--${flag} is "${given.value}"; allowed is ${allowed}, or default`)
    : value
})
const whole = (text: string) => (/^\d+$/.test(text) ? Number(text) : undefined)
const aNumber = "a whole number"
const aTime = 'a duration such as "30 seconds"'

const set = Command.make(
  "set",
  {
    mailbox,
    capacity: one("capacity", "Entries it may hold"),
    timeout: one("timeout", "How long one attempt may take"),
    attempts: one("attempts", "Attempts before it is given up"),
    redrives: one("redrives", "How often a job is parked for a cause that may heal"),
    redriveAfter: one("redrive-after", "How long it is parked each time")
  },
  Effect.fnUntraced(function* (given) {
    const change = {
      capacity: yield* valueOf("capacity", given.capacity, whole, aNumber),
      timeout_ms: yield* valueOf("timeout", given.timeout, millis, aTime),
      attempts: yield* valueOf("attempts", given.attempts, whole, aNumber),
      redrives: yield* valueOf("redrives", given.redrives, whole, aNumber),
      redrive_ms: yield* valueOf("redrive-after", given.redriveAfter, millis, aTime)
    }
    const payload = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
    if (Object.keys(payload).length === 0) {
      return yield* fail(
        "usage",
        "nothing to set: name one of --capacity, --timeout, --attempts, --redrives, --redrive-after"
      )
    }
    const operator = yield* Operator
    const now = yield* operator.ask(({ policies }) => policies.change({ params: { mailbox: given.mailbox }, payload }))
    yield* print(now, () => shown([now], ""))
  })
).pipe(Command.withDescription("Change a policy; every process follows within a second"))

export const policy = Command.make("policy").pipe(
  Command.withDescription("Show and change the policies of mailboxes while the fleet runs"),
  Command.withSubcommands([show, set])
)
