/**
 * TickBatch: sends the small calls of one event-loop tick as one batch, in order of arrival. Each item gets its own answer.
 * Where a batch is split into several calls, each call succeeds or fails by itself.
 */
import { Effect, Exit } from "effect"

interface Waiting<A, B, E> {
  readonly item: A
  readonly answered: (exit: Exit.Exit<B, E>) => void
}

type Apart<A> = <W extends { readonly item: A }>(waiting: ReadonlyArray<W>) => ReadonlyArray<ReadonlyArray<W>>

/**
 * `run` answers a call of at most `most` items, in order. When it fails, every item of the call fails with its error, so
 * batched work must be safe to send again. `apart` splits a batch into calls of at least one item, which are begun in its
 * order. Left out: one call.
 */
export const make = <A, B, E>(
  run: (items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>,
  most: number,
  apart?: Apart<A>
): ((item: A) => Effect.Effect<B, E>) => {
  const call = sender<A, B, E>(
    (items, answered) =>
      Effect.runCallback(
        Effect.suspend(() => run(items)),
        { onExit: answered }
      ),
    most,
    apart
  )
  return (item) => Effect.callback<B, E>((resume) => call(item, resume))
}

/**
 * The same without effects, for hot paths. `run` calls `answered` once, or throws before it does; what a caller gives as `answered`
 * must not throw.
 */
export const sender = <A, B, E>(
  run: (items: ReadonlyArray<A>, answered: (exit: Exit.Exit<ReadonlyArray<B>, E>) => void) => void,
  most: number,
  apart: Apart<A> = (waiting) => [waiting]
): ((item: A, answered: (exit: Exit.Exit<B, E>) => void) => void) => {
  let waiting: Array<Waiting<A, B, E>> = []
  const send = (batch: ReadonlyArray<Waiting<A, B, E>>) => {
    let answers = 0
    /** Goes on behind a caller that throws, so that a bug of one strands no other; it is thrown when all are answered. */
    const answer = (exit: Exit.Exit<ReadonlyArray<B>, E>): void => {
      try {
        while (answers < batch.length) {
          const n = answers++
          batch[n]!.answered(Exit.isSuccess(exit) ? Exit.succeed(exit.value[n]!) : Exit.failCause(exit.cause))
        }
      } finally {
        if (answers < batch.length) answer(exit)
      }
    }
    try {
      run(
        batch.map(({ item }) => item),
        answer
      )
    } catch (defect) {
      if (answers === batch.length) throw defect
      answer(Exit.die(defect))
    }
  }
  const flush = () => {
    const all = waiting
    waiting = []
    for (let i = 0; i < all.length; i += most) apart(all.slice(i, i + most)).forEach(send)
  }
  return (item, answered) => {
    if (waiting.length === 0) setImmediate(flush)
    waiting.push({ item, answered })
  }
}
