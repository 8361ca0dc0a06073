/** `eco2 processes`: the live processes, their roles, and the entries each holds; drains one. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { fail } from "../CommandFailed.ts"
import { Operator } from "../Operator.ts"
import { age, print, table } from "../Output.ts"
import { watch, watching } from "../Watching.ts"

const stateOf = ({
  draining_since,
  in_flight,
  state
}: {
  readonly state: string
  readonly in_flight: number
  readonly draining_since: number | null
}) => (draining_since === null || state !== "alive" ? state : in_flight === 0 ? "drained" : "draining")

const name = Argument.String("process").pipe(
  Argument.withDescription("Its name, or the beginning of it, as `eco2 processes` shows it")
)
/** The one process whose name begins so. */
const found = Effect.fnUntraced(function* (beginning: string) {
  const operator = yield* Operator
  const all = yield* operator.ask(({ ops }) => ops.processes({}))
  const fitting = all.filter(({ token }) => token.startsWith(beginning))
  const [only] = fitting
  if (only === undefined) return yield* fail("notFound", `there is no process ${beginning}`)
  if (fitting.length > 1) return yield* fail("usage", `${fitting.length} processes begin with ${beginning}`)
  return only
})
/** As long as a shutdown may take, and more. */
const longestDrain = "10 minutes"
const drain = Command.make(
  "drain",
  {
    name,
    wait: Flag.Boolean("wait").pipe(Flag.withDescription("Return once it holds no work"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ name, wait }) {
    const operator = yield* Operator
    const { token } = yield* found(name)
    const now = yield* operator.ask(({ controls }) => controls.drainProcess({ params: { token } }))
    if (!wait) {
      return yield* print(now, () => `${token} takes no more work; it holds ${now.in_flight} entries`)
    }
    const left = yield* Effect.repeat(found(token), {
      until: ({ in_flight }) => in_flight === 0,
      schedule: Schedule.spaced("1 second")
    }).pipe(
      Effect.timeoutOrElse({
        duration: longestDrain,
        orElse: () => Effect.fail(fail("failed", `${token} still holds work after ${longestDrain}`))
      })
    )
    yield* print({ ...now, in_flight: left.in_flight }, () => `${token} is empty`)
  })
).pipe(
  Command.withDescription("Let a process take no more work, and hand back what does not end within SHUTDOWN_GRACE")
)
const resume = Command.make(
  "resume",
  { name },
  Effect.fnUntraced(function* ({ name }) {
    const operator = yield* Operator
    const { token } = yield* found(name)
    const now = yield* operator.ask(({ controls }) => controls.resumeProcess({ params: { token } }))
    yield* print(now, () => `${token} takes work again`)
  })
).pipe(Command.withDescription("Let a drained process take work again"))

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
            { head: "STATE", cell: stateOf },
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
).pipe(
  Command.withDescription("Live processes, and how many entries each holds"),
  Command.withSubcommands([drain, resume])
)
