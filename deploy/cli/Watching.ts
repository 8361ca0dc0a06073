/**
 * Watching: looks that are repeated. `--watch` of the commands that list: the list again every two seconds, in place of the last one
 * on a terminal. Once a look has succeeded, a gateway that does not answer (it restarts, its Redis is away) is asked again for a
 * minute, and that is said; the first look fails as any call does.
 */
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Flag from "effect/cli/Flag"
import { CommandFailed } from "./CommandFailed.ts"
import { say } from "./Output.ts"

const every = "2 seconds"
/** Between two tries of a gateway that does not answer, and for how long it is tried. */
const pause = "1 second"
const longestOutage = Duration.toNanosUnsafe("1 minute")

export const watch = Flag.Boolean("watch").pipe(
  Flag.withDescription("Again every two seconds, until it is interrupted"),
  Flag.withDefault(false)
)

/** The same look, which outlasts an outage of the gateway from its first success on. */
export const outlasting = <A, E, R>(look: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  let isAnswered = false
  let lostAt: bigint | null = null
  const told = Effect.suspend(() => {
    const wasLost = lostAt !== null
    isAnswered = true
    lostAt = null
    return wasLost ? say("the gateway answers again") : Effect.void
  })
  const failed = (error: E): Effect.Effect<A, E, R> => {
    if (!isAnswered || !(error instanceof CommandFailed) || error.exit !== "unreachable") return Effect.fail(error)
    return Effect.clockWith((clock) => {
      const now = clock.monotonicTimeNanosUnsafe()
      const isNew = lostAt === null
      lostAt ??= now
      if (now - lostAt >= longestOutage) return Effect.fail(error)
      return Effect.andThen(isNew ? say(`${error.message}; asking again`) : Effect.void, Effect.delay(outlasted, pause))
    })
  }
  const outlasted: Effect.Effect<A, E, R> = look.pipe(Effect.tap(told), Effect.catch(failed))
  return outlasted
}

/** Clears the terminal; programs get an empty line between two lists. */
const next = Effect.suspend(() => Console.log(process.stdout.isTTY ? "\u001b[2J\u001b[3J\u001b[H" : ""))

export const watching = <A, E, R>(isWatched: boolean, list: Effect.Effect<A, E, R>): Effect.Effect<void, E, R> =>
  isWatched
    ? Effect.asVoid(Effect.repeat(Effect.andThen(next, outlasting(list)), Schedule.spaced(every)))
    : Effect.asVoid(list)
