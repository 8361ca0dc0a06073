/**
 * Steps: work on a picture's bytes that is done piece by piece, so that a file made to be slow blocks nobody for long. A walker
 * yields after some thousand turns of its loops; whoever runs it decides when it goes on.
 */
import { Effect, Option, Semaphore } from "effect"

/** Work that yields between its steps, each of them well below a millisecond. */
export type Steps<A> = Generator<void, A>

/** Turns of a loop in one step. */
const turns = 8_192

/** Counts the turns of a loop; `isDue` is true when a step is over. */
export const pace = (): { readonly isDue: () => boolean } => {
  let turn = 0
  return { isDue: () => ++turn % turns === 0 }
}

/** Does all of it at once. */
export const atOnce = <A>(steps: Steps<A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** How long one piece of work may hold the event loop. */
const sliceMillis = 4

/** Of all work that did not end within its first slice, one slice in each turn of the event loop. */
const line = Semaphore.makeUnsafe(1)

const nextTurn = Effect.callback<void>((resume) => {
  const waiting = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(waiting))
})

/** Does it in slices of the event loop; what is short is done at once. */
export const sliced = <A>(begin: () => Steps<A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const steps = begin()
    const slice = Effect.sync((): Option.Option<A> => {
      const until = performance.now() + sliceMillis
      for (;;) {
        const step = steps.next()
        if (step.done === true) return Option.some(step.value)
        if (performance.now() >= until) return Option.none()
      }
    })
    const goOn = (done: Option.Option<A>): Effect.Effect<A> =>
      Option.match(done, {
        onSome: (value) => Effect.succeed(value),
        onNone: () => Effect.flatMap(line.withPermits(1)(Effect.andThen(nextTurn, slice)), goOn)
      })
    return Effect.flatMap(slice, goOn)
  })
