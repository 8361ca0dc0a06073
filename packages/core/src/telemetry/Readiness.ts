/**
 * Readiness: whether this process should get work. Parts of a role register a check; /readyz asks all of them.
 * A check answers null when all is well, else one clause that says what is wrong. No check does I/O: probes are cheap and
 * cannot time out because the process is busy.
 */
import { Context, Effect, Layer } from "effect"
import type { Scope } from "effect"

export class Readiness extends Context.Service<
  Readiness,
  {
    readonly register: (name: string, check: () => string | null) => Effect.Effect<void, never, Scope.Scope>
    /** Everything that is wrong, by name; empty when ready. */
    readonly troubles: () => ReadonlyArray<{ readonly name: string; readonly trouble: string }>
  }
>()("@eco2/core/telemetry/Readiness") {
  static readonly layer: Layer.Layer<Readiness> = Layer.sync(Readiness, () => {
    const checks = new Map<string, () => string | null>()
    return Readiness.of({
      register: (name, check) =>
        Effect.acquireRelease(
          Effect.sync(() => void checks.set(name, check)),
          () => Effect.sync(() => void checks.delete(name))
        ),
      troubles: () =>
        [...checks].flatMap(([name, check]) => {
          const trouble = check()
          return trouble === null ? [] : [{ name, trouble }]
        })
    })
  })
}
