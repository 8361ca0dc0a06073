/** Watching: `--watch` of the commands that list: the list again every two seconds, in place of the last one on a terminal. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Flag from "effect/cli/Flag"

const every = "2 seconds"

export const watch = Flag.Boolean("watch").pipe(
  Flag.withDescription("Again every two seconds, until it is interrupted"),
  Flag.withDefault(false)
)

/** Clears the terminal; programs get an empty line between two lists. */
const next = Effect.suspend(() => Console.log(process.stdout.isTTY ? "\u001b[2J\u001b[3J\u001b[H" : ""))

export const watching = <A, E, R>(isWatched: boolean, list: Effect.Effect<A, E, R>): Effect.Effect<void, E, R> =>
  isWatched ? Effect.asVoid(Effect.repeat(Effect.andThen(next, list), Schedule.spaced(every))) : Effect.asVoid(list)
