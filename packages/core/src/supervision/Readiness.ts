/**
 * Readiness: whether this process should get work. Parts of a role register a check; /readyz runs all of them. A check returns
 * null when all is well, or else one clause that says what is wrong. Checks do no I/O, so a probe of a busy process is cheap
 * and does not time out.
 */
import { Context, Deferred, Effect, Layer } from "effect"
import type { Scope } from "effect"
import type { LoopFailed } from "./Supervisor.ts"

export class Readiness extends Context.Service<
  Readiness,
  {
    /** `failed`: fails when this part cannot become ready again (Supervisor). */
    readonly register: (
      name: string,
      check: () => string | null,
      failed?: Effect.Effect<never, LoopFailed>
    ) => Effect.Effect<void, never, Scope.Scope>
    /** The failed checks, by name; empty when ready. */
    readonly troubles: () => ReadonlyArray<{ readonly name: string; readonly trouble: string }>
    /** Fails when the first part fails for good; the process must end then. */
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
