/**
 * Readiness: whether this process should get work. Parts of a role register a check; /readyz asks all of them.
 * A check answers null when all is well, else one clause that says what is wrong. No check does I/O: probes are cheap and
 * cannot time out because the process is busy.
 */
import { Context, Deferred, Effect, Layer } from "effect"
import type { Scope } from "effect"
import type { LoopFailed } from "./Supervisor.ts"

export class Readiness extends Context.Service<
  Readiness,
  {
    /** `failed`: fails when this part will never be ready again (Supervisor). */
    readonly register: (
      name: string,
      check: () => string | null,
      failed?: Effect.Effect<never, LoopFailed>
    ) => Effect.Effect<void, never, Scope.Scope>
    /** Everything that is wrong, by name; empty when ready. */
    readonly troubles: () => ReadonlyArray<{ readonly name: string; readonly trouble: string }>
    /** Fails with the first part that failed for good: the process is to end. */
    readonly failed: Effect.Effect<never, LoopFailed>
  }
>()("@eco2/core/supervision/Readiness") {
  static readonly layer: Layer.Layer<Readiness> = Layer.sync(Readiness, () => {
    const checks = new Map<string, () => string | null>()
    const lost = Deferred.makeUnsafe<never, LoopFailed>()
    return Readiness.of({
      register: (name, check, failed = Effect.never) =>
        Effect.acquireRelease(
          Effect.sync(() => void checks.set(name, check)),
          () => Effect.sync(() => void checks.delete(name))
        ).pipe(
          Effect.andThen(Effect.forkScoped(Effect.catch(failed, (error) => Deferred.fail(lost, error)))),
          Effect.asVoid
        ),
      troubles: () =>
        [...checks].flatMap(([name, check]) => {
          const trouble = check()
          return trouble === null ? [] : [{ name, trouble }]
        }),
      failed: Deferred.await(lost)
    })
  })
}
