/**
 * SingleFlight: runs work once for all who request it at the same time; all get its outcome, and nothing is
 * remembered afterwards. An interrupted caller does not interrupt the work for the others; it ends with the scope it was made in.
 */
import { Deferred, Effect, Exit } from "effect"
import type { Scope } from "effect"

export type SingleFlight<A, E> = (key: string, work: Effect.Effect<A, E>) => Effect.Effect<A, E>

/** `work` must end by itself, in bounded time, because no caller can interrupt it. */
export const make = <A, E>(): Effect.Effect<SingleFlight<A, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const flights = new Map<string, Deferred.Deferred<A, E>>()
    return (key, work) =>
      Effect.suspend(() => {
        const known = flights.get(key)
        if (known !== undefined) return Deferred.await(known)
        const flight = Deferred.makeUnsafe<A, E>()
        flights.set(key, flight)
        const landing = Effect.onExit(work, (exit: Exit.Exit<A, E>) =>
          Effect.suspend(() => {
            flights.delete(key)
            return Deferred.done(flight, exit)
          })
        )
        fork(Effect.forkIn(Effect.ignoreCause(landing), scope))
        return Deferred.await(flight)
      })
  })
