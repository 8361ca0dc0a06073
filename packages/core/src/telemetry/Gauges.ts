/**
 * Gauges: metric values that are read at a scrape and not kept up to date in between, so an idle process sends Redis no
 * command for its metrics. Parts of a role register what to read; /metrics reads all of it before it answers.
 */
import { Context, Effect, Layer } from "effect"
import type { Scope } from "effect"

export class Gauges extends Context.Service<
  Gauges,
  {
    /** `read` updates metrics. It must be quick. When it fails, the metrics keep their last values. */
    readonly register: (read: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
    readonly readAll: Effect.Effect<void>
  }
>()("@eco2/core/telemetry/Gauges") {
  static readonly layer: Layer.Layer<Gauges> = Layer.sync(Gauges, () => {
    const reads = new Set<Effect.Effect<void>>()
    return Gauges.of({
      register: (read) =>
        Effect.acquireRelease(
          Effect.sync(() => void reads.add(read)),
          () => Effect.sync(() => void reads.delete(read))
        ),
      // a scrape must not hang on a store that does not answer
      readAll: Effect.suspend(() =>
        Effect.forEach(reads, (read) => read, { concurrency: "unbounded", discard: true })
      ).pipe(Effect.timeoutOption("2 seconds"), Effect.asVoid)
    })
  })
}
