/** `eco2 breakers`: the fleet's circuit breakers; opens and closes one. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { millis } from "../Choice.ts"
import { fail } from "../CommandFailed.ts"
import { Operator } from "../Operator.ts"
import { age, print, table } from "../Output.ts"
import { watch, watching } from "../Watching.ts"

const list = Command.make("list", { watch }, ({ watch }) =>
  watching(
    watch,
    Effect.gen(function* () {
      const operator = yield* Operator
      const all = yield* operator.ask(({ breakers }) => breakers.list({}))
      yield* print(all, () =>
        table(
          all,
          [
            { head: "BREAKER", cell: ({ name }) => name },
            { head: "STATE", cell: ({ by_operator, state }) => (by_operator ? `${state} (by an operator)` : state) },
            { head: "PROBE IN", cell: ({ left_ms, state }) => (state === "open" ? age(left_ms) : "-") },
            { head: "OPENED", cell: ({ openings }) => openings },
            { head: "FAILURES", cell: ({ failures }) => failures }
          ],
          "no process uses a breaker"
        )
      )
    })
  )
).pipe(Command.withDescription("Breakers that processes use"))

const breaker = Argument.String("breaker").pipe(Argument.withDescription("Its name, such as openai/gpt-5.2"))
const open = Command.make(
  "open",
  {
    breaker,
    for: Flag.String("for").pipe(
      Flag.withDescription("How long, such as 10m or 2h; then a call probes"),
      Flag.withDefault("10m")
    )
  },
  Effect.fnUntraced(function* ({ breaker, for: duration }) {
    const operator = yield* Operator
    const for_ms = millis(duration)
    if (for_ms === undefined || for_ms < 1 || for_ms > 86_400_000) {
      return yield* fail("usage", `--for is "${duration}"; allowed is a duration of at most a day, such as 10m`)
    }
    const now = yield* operator.ask(({ breakers }) => breakers.open({ params: { breaker }, query: { for_ms } }))
    yield* print(now, () => `${breaker} is open for ${Duration.format(Duration.millis(for_ms))}, then a call probes`)
  })
).pipe(Command.withDescription("Let no call pass for a while"))
const close = Command.make(
  "close",
  { breaker },
  Effect.fnUntraced(function* ({ breaker }) {
    const operator = yield* Operator
    const now = yield* operator.ask(({ breakers }) => breakers.close({ params: { breaker } }))
    yield* print(now, () => `${breaker} is closed: calls pass, and jobs that wait for it come when they are due`)
  })
).pipe(Command.withDescription("Let calls pass at once"))

export const breakers = Command.make("breakers").pipe(
  Command.withDescription("List, open and close circuit breakers"),
  Command.withSubcommands([list, open, close])
)
