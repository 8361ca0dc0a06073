/**
 * RateLimiter: keeps fleet-wide limits (Limit): requests and units in any sliding window, permits held at once.
 * Invariant L1: no limit is exceeded fleet-wide in any window; a permit is a lease and comes back when its holder dies; a
 * charge never does.
 * Waiting is in order of arrival and costs a waiting fiber two calls as a rule: one to stand in line, which tells the time
 * to come, and one then. Up to `patience` it happens in the fiber; what takes longer is RateLimited, and the attempt of a
 * stage keeps its place until it comes back. Permits are renewed by one timer a process, waits are served by one (Alarm).
 * State is Redis's alone (LimitStore); nothing is kept in memory but what this process holds and waits for.
 */
import { Clock, Context, Deferred, Duration, Effect, Exit, Layer, Metric, Queue } from "effect"
import { randomUUID } from "node:crypto"
import { Attempt } from "../actor/Attempt.ts"
import * as Supervisor from "../actor/Supervisor.ts"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Keys from "../redis/Keys.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Complaint from "../telemetry/Complaint.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import * as Alarm from "./Alarm.ts"
import type { Limit } from "./Limit.ts"
import { PermitLost, RateLimited } from "./Limit.ts"
import * as LimitStore from "./LimitStore.ts"
import type { Line } from "./LimitStore.ts"

export interface Request {
  /** For limits each of somebody's own: who. */
  readonly key?: string
  /** What the work is expected to use, by default 1; more than the whole limit is taken for the whole limit. */
  readonly units?: number
  /** How long the fiber may wait, by default 5 seconds; 0: now or not. */
  readonly patience?: Duration.Input
}

export interface Permit {
  /** By Redis's clock, epoch milliseconds. */
  readonly grantedAt: number
  /** Since it was first asked for, rounds of coming back included. */
  readonly waitedMillis: number
  /** What the work used: the estimate is corrected when it ends. Not said: it stands. */
  readonly used: (units: number) => void
}

export class RateLimiter extends Context.Service<
  RateLimiter,
  {
    /**
     * Runs `work` once the limit has room for it; one round trip when it has, one more when the work ends if there is
     * anything to give back. An interrupted wait gives its place back.
     * - RateLimited, RedisError: the work was not begun
     * - PermitLost: it was interrupted
     */
    readonly use: <A, E, R>(
      limit: Limit,
      request: Request,
      work: (permit: Permit) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | RateLimited | PermitLost | RedisError, R>
    /** Grants nothing, fleet-wide, for this long; of several pauses the longest holds. Work under way goes on. */
    readonly pause: (limit: Limit, duration: Duration.Input, key?: string) => Effect.Effect<void, RedisError>
    /** Requests granted, fleet-wide, within the window that ends now; of a limit that counts requests. Reads all of them. */
    readonly granted: (limit: Limit, key?: string) => Effect.Effect<number, RedisError>
  }
>()("@eco2/core/limit/RateLimiter") {}

const standardPatience = Duration.seconds(5)

/** A permit this process holds. */
interface Held {
  readonly line: Line
  readonly lost: Deferred.Deferred<never, PermitLost>
}

const lineOf = (limit: Limit, key: string | undefined): Line => ({
  limit,
  // no name of a limit has a "|" in it
  keys: Keys.limit(key === undefined ? limit.name : `${limit.name}|${key}`)
})

export const layer: Layer.Layer<RateLimiter, never, RedisClient | CoreConfig> = Layer.effect(
  RateLimiter,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const config = yield* CoreConfig
    const scope = yield* Effect.scope
    const alarm = yield* Alarm.make
    const leaseMillis = Duration.toMillis(config.lease)
    const store = LimitStore.make(redis, { clockOffsetMillis: config.clockOffsetMillis, leaseMillis })
    const held = new Map<string, Held>()
    const firstHeld = yield* Queue.sliding<void>(1)
    const renewing = Complaint.make("permits could not be renewed", "permits are renewed again")
    const settling = Complaint.make("a limit could not be told what was used", "limits are told again")
    let arrivals = 0

    const renewAll = Effect.gen(function* () {
      const byKey = new Map<string, { readonly line: Line; readonly ids: Array<string> }>()
      for (const [id, { line }] of held) {
        const others = byKey.get(line.keys.held)
        if (others === undefined) byKey.set(line.keys.held, { line, ids: [id] })
        else others.ids.push(id)
      }
      for (const { ids, line } of byKey.values()) {
        for (const id of yield* store.renew(line, ids)) {
          const one = held.get(id)
          if (one !== undefined) yield* Deferred.fail(one.lost, new PermitLost({ limit: line.limit.name }))
        }
      }
    })
    yield* Supervisor.make().supervise(
      "permits",
      Effect.gen(function* () {
        yield* Queue.take(firstHeld)
        while (held.size > 0) {
          yield* Effect.sleep(leaseMillis / 3)
          yield* Effect.matchEffect(renewAll, { onFailure: renewing.failed, onSuccess: () => renewing.well })
        }
      }).pipe(Effect.forever)
    )

    /** The result of the work does not wait for it. What is lost with Redis away: a permit until its lease is over. */
    const settle = (line: Line, id: string, leave: string | null, used: number | null) =>
      store
        .settle({ line, id, leave, used })
        .pipe(
          Effect.matchEffect({ onFailure: settling.failed, onSuccess: () => settling.well }),
          Effect.andThen(Effect.sync(() => alarm.wakeFirst(line.keys.state))),
          Effect.forkIn(scope, { startImmediately: true })
        )

    const stand = Effect.fnUntraced(function* (line: Line, id: string, place: string | null, request: Request) {
      const since = yield* Clock.currentTimeMillis
      const patienceMillis = Duration.toMillis(Duration.fromInputUnsafe(request.patience ?? standardPatience))
      const order = arrivals++
      for (;;) {
        const waitedMillis = (yield* Clock.currentTimeMillis) - since
        const answer = yield* store.take({
          line,
          id,
          place,
          units: Math.max(0, request.units ?? 1),
          patienceMillis: patienceMillis - waitedMillis
        })
        if (answer.verdict === "granted") return answer
        if (answer.verdict !== "wait") {
          return yield* new RateLimited({ limit: line.limit.name, retryAfter: Duration.millis(answer.millis) })
        }
        yield* alarm.sleep(line.keys.state, order, answer.millis)
      }
    })

    const use = <A, E, R>(limit: Limit, request: Request, work: (permit: Permit) => Effect.Effect<A, E, R>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const attempt = yield* Attempt
          const line = lineOf(limit, request.key)
          const id = randomUUID()
          const answer = yield* restore(attempt.untimed(stand(line, id, attempt.place, request))).pipe(
            Effect.onInterrupt(() => settle(line, id, attempt.place ?? id, 0))
          )
          yield* Metric.update(
            Metric.withAttributes(Metrics.limitWait, { limit: limit.name }),
            answer.waitedMillis / 1000
          )
          let used: number | null = null
          const permit: Permit = {
            grantedAt: answer.millis,
            waitedMillis: answer.waitedMillis,
            used: (units) => {
              used = Math.max(0, units)
            }
          }
          const isHeld = limit.permits !== null
          const lost = Deferred.makeUnsafe<never, PermitLost>()
          if (isHeld) {
            held.set(id, { line, lost })
            if (held.size === 1) yield* Queue.offer(firstHeld, undefined)
          }
          const working = Effect.suspend(() => work(permit))
          return yield* restore(isHeld ? Effect.raceFirst(working, Deferred.await(lost)) : working).pipe(
            Effect.onExit((exit) => {
              held.delete(id)
              const isGone = isHeld && Exit.isFailure(exit) && Deferred.isDoneUnsafe(lost)
              return isGone || (!isHeld && used === null) ? Effect.void : settle(line, id, null, used)
            })
          )
        })
      )

    return RateLimiter.of({
      use,
      pause: (limit, duration, key) =>
        store.pause(lineOf(limit, key), Duration.toMillis(Duration.fromInputUnsafe(duration))),
      granted: (limit, key) => store.granted(lineOf(limit, key))
    })
  })
)
