/**
 * TickBatch: sends the small calls of one event-loop tick as one batch, in order of arrival. Each item gets its own answer.
 * Where a batch is split into several calls, each call succeeds or fails by itself.
 */
import { Effect } from "effect"

interface Waiting<A, B, E> {
  readonly item: A
  readonly resume: (effect: Effect.Effect<B, E>) => void
}

/**
 * `run` answers a call of at most `most` items, in order. When it fails, every item of the call fails with its error, so
 * batched work must be safe to send again. `apart` splits a batch into calls of at least one item, which are begun in its
 * order. Left out: one call.
 */
export const make = <A, B, E>(
  run: (items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>,
  most: number,
  apart: <W extends { readonly item: A }>(waiting: ReadonlyArray<W>) => ReadonlyArray<ReadonlyArray<W>> = (waiting) => [
    waiting
  ]
): ((item: A) => Effect.Effect<B, E>) => {
  let waiting: Array<Waiting<A, B, E>> = []
  const call = (batch: ReadonlyArray<Waiting<A, B, E>>) =>
    Effect.runCallback(
      Effect.suspend(() => run(batch.map(({ item }) => item))),
      {
        onExit: (exit) => {
          for (const [n, { resume }] of batch.entries()) {
            if (exit._tag === "Failure") resume(Effect.failCause(exit.cause))
            else resume(Effect.succeed(exit.value[n]!))
          }
        }
      }
    )
  const flush = () => {
    const all = waiting
    waiting = []
    for (let i = 0; i < all.length; i += most) apart(all.slice(i, i + most)).forEach(call)
  }
  return (item) =>
    Effect.callback<B, E>((resume) => {
      if (waiting.length === 0) setImmediate(flush)
      waiting.push({ item, resume })
    })
}
