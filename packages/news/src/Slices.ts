/**
 * Slices: long work on strangers' texts, done a slice at a time, so that it never holds the process: between two slices
 * everything else that waits has its turn. Work is a generator; what it does between two `yield`s is bounded by the size of a
 * piece, which its author chooses and a test measures.
 */
import { Data, Effect } from "effect"

/** Work in pieces; its result at the end. */
export type Work<A> = Generator<undefined, A>

/** The work took more processor time than it may. Nothing came of it. */
export class TookTooLong extends Data.TaggedError("TookTooLong")<{ readonly mostMillis: number }> {
  override get message() {
    return `reading it takes longer than ${this.mostMillis} ms`
  }
}

/** The longest slice, apart from its last piece. */
const sliceMillis = 5

/** Milliseconds of processor time of this thread. */
const processorMillis = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1_000
}

/** Does work in slices. `mostMillis`: of processor time, so that a busy or throttled machine refuses nothing. */
export const run = <A>(
  work: () => Work<A>,
  { mostMillis }: { readonly mostMillis: number }
): Effect.Effect<A, TookTooLong> =>
  Effect.suspend(() => {
    const pieces = work()
    let used = 0
    const slice = Effect.suspend(() => {
      const [begun, usedBefore] = [performance.now(), processorMillis()]
      for (;;) {
        const { done, value } = pieces.next()
        if (done === true) return Effect.succeed({ value })
        if (performance.now() - begun < sliceMillis) continue
        used += processorMillis() - usedBefore
        return used > mostMillis ? new TookTooLong({ mostMillis }) : Effect.succeed(null)
      }
    })
    const next: Effect.Effect<A, TookTooLong> = Effect.flatMap(slice, (over) =>
      over === null ? Effect.andThen(Effect.yieldNow, next) : Effect.succeed(over.value)
    )
    return next
  })

/** The same work at once, for what is small. */
export const atOnce = <A>(work: Work<A>): A => {
  for (;;) {
    const { done, value } = work.next()
    if (done === true) return value
  }
}
