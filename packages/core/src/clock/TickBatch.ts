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
  const send = sender(run, most, apart)
  return (item) => Effect.callback<B, E>((resume) => send(item, resume))
}

/** The same for hot paths, where an effect for each call costs more than the call: `answered` is called once. */
export const sender = <A, B, E>(
  run: (items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>,
  most: number,
  apart: Apart<A> = (waiting) => [waiting]
): ((item: A, answered: (exit: Exit.Exit<B, E>) => void) => void) => {
  let waiting: Array<Waiting<A, B, E>> = []
  const call = (batch: ReadonlyArray<Waiting<A, B, E>>) => {
    Effect.runCallback(
      Effect.suspend(() => run(batch.map(({ item }) => item))),
      {
        onExit: (exit) => {
          if (Exit.isFailure(exit)) for (const { answered } of batch) answered(Exit.failCause(exit.cause))
          else for (let n = 0; n < batch.length; n++) batch[n]!.answered(Exit.succeed(exit.value[n]!))
        }
      }
    )
  }
  const flush = () => {
    const all = waiting
    waiting = []
    for (let i = 0; i < all.length; i += most) apart(all.slice(i, i + most)).forEach(call)
  }
  return (item, answered) => {
    if (waiting.length === 0) setImmediate(flush)
    waiting.push({ item, answered })
  }
}
