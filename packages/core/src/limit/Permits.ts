/**
 * Permits: the permits this process holds. One call for each limit renews all of them, three times a lease. For RateLimiter.
 * L1: a permit is a lease. A process that cannot renew it, cut off from Redis, interrupts the work under it when the lease ends
 * by its own clock. That is never later than by Redis's clock: a lease counts from before its request was sent. When Redis's clock
 * has stepped forward, every lease has expired there at once, and others may have been granted the permits. Whoever renewed in
 * time keeps its permit all the same: until the calls under way end, more than the limit may be held.
 */
import { Deferred, Effect, Option, Queue } from "effect"
import type { Scope } from "effect"
import * as StoreClock from "../clock/StoreClock.ts"
import * as Supervisor from "../supervision/Supervisor.ts"
import * as OutageLog from "../telemetry/OutageLog.ts"
import { Readiness } from "../supervision/Readiness.ts"
import { PermitLost } from "./Limit.ts"
import type { LimitStore, Line } from "./LimitStore.ts"

/** A smaller step of Redis's clock is not told from drift. */
const stepMillis = 500

interface Held {
  readonly line: Line
  readonly lost: Deferred.Deferred<never, PermitLost>
  /** The lease's end, by performance.now(). */
  until: number
}

export interface Permits {
  /** Returns a Deferred that fails when the permit is lost. `sentAt`: when it was requested, by performance.now(). */
  readonly hold: (line: Line, id: string, sentAt: number) => Effect.Effect<Deferred.Deferred<never, PermitLost>>
  readonly drop: (id: string) => void
}

/** `late`: the failure of a renewal that gets no answer in time. */
export const make = Effect.fnUntraced(function* (
  store: Pick<LimitStore, "renew">,
  leaseMillis: number,
  late: (why: string) => Error = (why) => new Error(why)
): Effect.fn.Return<Permits, never, Scope.Scope> {
  const roundMillis = leaseMillis / 3
  const held = new Map<string, Held>()
  const toRenew = yield* Queue.sliding<void>(1)
  const toEnd = yield* Queue.sliding<void>(1)
  const renewing = OutageLog.make("permits could not be renewed", "permits are renewed again")

  /** The clocks of the servers that hold these limits. */
  const clocks = new Map<string, StoreClock.StoreClock>()
  const clockOf = (key: string) => {
    const known = clocks.get(key)
    if (known !== undefined) return known
    const made = StoreClock.make(stepMillis)
    clocks.set(key, made)
    return made
  }

  const lose = (one: Held) => Deferred.fail(one.lost, new PermitLost({ limit: one.line.limit.name }))

  const renew = Effect.fnUntraced(function* (line: Line, ids: ReadonlyArray<string>) {
    const sentAt = performance.now()
    const { lost, now } = yield* store.renew(line, ids, "if free")
    const stepped = clockOf(line.keys.held).hear({ now, sentAt, answeredAt: performance.now() }) > 0
    if (stepped && lost.length > 0) yield* store.renew(line, lost, "always")
    const gone = new Set(stepped ? [] : lost)
    for (const id of ids) {
      const one = held.get(id)
      if (one === undefined) continue
      if (gone.has(id)) yield* lose(one)
      else one.until = Math.max(one.until, sentAt + leaseMillis)
    }
  })
  const renewAll = Effect.gen(function* () {
    const byKey = new Map<string, { readonly line: Line; readonly ids: Array<string> }>()
    for (const [id, { line, lost }] of held) {
      if (Deferred.isDoneUnsafe(lost)) continue
      const others = byKey.get(line.keys.held)
      if (others === undefined) byKey.set(line.keys.held, { line, ids: [id] })
      else others.ids.push(id)
    }
    for (const key of clocks.keys()) if (!byKey.has(key)) clocks.delete(key)
    // different servers may hold the limits: a server that is down, or silent, must not cost permits of other limits
    const troubles = yield* Effect.forEach(
      byKey.values(),
      ({ ids, line }) =>
        renew(line, ids).pipe(
          Effect.as(null),
          Effect.timeoutOrElse({
            duration: roundMillis,
            orElse: () => Effect.succeed(late(`no answer within ${roundMillis} ms`))
          }),
          Effect.catch(Effect.succeed)
        ),
      { concurrency: "unbounded" }
    )
    const trouble = troubles.find((one) => one !== null)
    yield* trouble === undefined ? renewing.over : renewing.failed(trouble)
  })

  /** A loop of its own, because a renewal may wait for Redis longer than a lease lasts. */
  const endOverdue = Effect.gen(function* () {
    let next = Infinity
    const now = performance.now()
    for (const one of held.values()) {
      if (Deferred.isDoneUnsafe(one.lost)) continue
      if (one.until > now) next = Math.min(next, one.until)
      else yield* lose(one)
    }
    // a permit added during the sleep ends later than the earliest end known now
    yield* Effect.sleep(next === Infinity ? leaseMillis : Math.max(1, Math.ceil(next - performance.now())))
  })

  const supervisor = Supervisor.make()
  yield* supervisor.supervise(
    "permits",
    Effect.gen(function* () {
      yield* Queue.take(toRenew)
      let began = performance.now()
      while (held.size > 0) {
        yield* Effect.sleep(Math.max(1, began + roundMillis - performance.now()))
        began = performance.now()
        yield* renewAll
      }
    }).pipe(Effect.forever)
  )
  yield* supervisor.supervise(
    "permit-ends",
    Effect.gen(function* () {
      yield* Queue.take(toEnd)
      while (held.size > 0) yield* endOverdue
    }).pipe(Effect.forever)
  )
  const readiness = yield* Effect.serviceOption(Readiness)
  if (Option.isSome(readiness)) yield* readiness.value.register("permits", supervisor.trouble, supervisor.failed)

  return {
    hold: Effect.fnUntraced(function* (line, id, sentAt) {
      const one: Held = { line, lost: Deferred.makeUnsafe<never, PermitLost>(), until: sentAt + leaseMillis }
      held.set(id, one)
      yield* Queue.offer(toRenew, undefined)
      yield* Queue.offer(toEnd, undefined)
      return one.lost
    }),
    drop: (id) => void held.delete(id)
  }
})
