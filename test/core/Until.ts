/** Until: repeats a look at Redis or memory until it shows the wanted state; fails with what it saw last. */
import { Effect, Schedule } from "effect"

/** Repeats a look until it shows what is wanted. Fifty seconds at most: it tells what hangs, not what is slow. */
export const until = <A, E, R>(look: Effect.Effect<A, E, R>, wanted: (seen: A) => boolean): Effect.Effect<A, E, R> =>
  look.pipe(
    Effect.repeat({ until: wanted, schedule: Schedule.spaced("10 millis") }),
    Effect.timeoutOrElse({
      duration: "50 seconds",
      orElse: () => Effect.flatMap(look, (seen) => Effect.die(new Error(`never came about; last seen: ${show(seen)}`)))
    })
  )

export const show = (value: unknown) => JSON.stringify(value, (_, inner) => (inner instanceof Map ? [...inner] : inner))
