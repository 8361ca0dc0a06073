/**
 * RateLimiter: enforces fleet-wide limits (Limit): requests and units in any sliding window, permits held at once.
 * Invariant L1: no limit is exceeded fleet-wide in any window; a permit is a lease and returns when its holder dies; a charge
 * is not returned.
 * Fibers are served in order of arrival. A wait usually costs two calls: one takes a place in line and returns the time to come
 * back, one is made then. A wait up to `patience` happens in the fiber; a longer one fails with RateLimited, and a stage's
 * attempt keeps its place until its retry. Waiters for the end of a pause get a time with jitter (Jitter), and ask at least once
 * a minute whether the pause was lifted. One timer for each process serves all waits (Alarm); Permits renews the permits.
 * All state is in Redis (LimitStore); memory holds only this process's waits and permits.
 */
import { Context, Deferred, Duration, Effect, Layer, Metric, Schedule } from "effect"
import { randomUUID } from "node:crypto"
import { Attempt } from "../mailbox/Attempt.ts"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Definition from "../config/Definition.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import { isTransient } from "../redis/RedisError.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as OutageLog from "../telemetry/OutageLog.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import * as Elapsed from "../clock/Elapsed.ts"
import * as Alarm from "../clock/Alarm.ts"
import type { Limit, PermitLost } from "./Limit.ts"
import { RateLimited } from "./Limit.ts"
import * as LimitStore from "./LimitStore.ts"
import type { Answer, Line } from "./LimitStore.ts"
import * as Permits from "./Permits.ts"
import * as UsedNames from "./UsedNames.ts"
import * as Jitter from "../clock/Jitter.ts"

export interface Request {
  /** The user, host or the like, for a limit that each of them has separately. */
  readonly key?: string
  /**
   * Units the work is expected to use, by default 1; more than the whole limit counts as the whole limit. What is no finite
   * number is InvalidDefinition, a defect, before the work begins.
   */
  readonly units?: number
  /** How long the fiber may wait, by default 5 seconds; 0: not at all. */
  readonly patience?: Duration.Input
}

export interface Permit {
  /** By Redis's clock, epoch milliseconds. */
  readonly grantedAt: number
  /** Time since the first request, all retries included. */
  readonly waitedMillis: number
  /** Reports the units used; they replace the estimate when the work ends. Not called, or not with a number: it stays. */
  readonly used: (units: number) => void
}

export class RateLimiter extends Context.Service<
  RateLimiter,
  {
    /**
     * Runs `work` once the limit has room. One round trip when it has room at once, one more at the end if there is a permit or
     * units to give back. An interrupted wait gives its place back.
     * - RateLimited, RedisError: the work did not begin
     * - PermitLost: the work was interrupted, at the latest when its lease ended without a renewal
     */
    readonly use: <A, E, R>(
      limit: Limit,
      request: Request,
      work: (permit: Permit) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | RateLimited | PermitLost | RedisError, R>
    /** Stops all grants, fleet-wide, for this long; the longest of several pauses applies. Running work goes on. */
    readonly pause: (limit: Limit, duration: Duration.Input, key?: string) => Effect.Effect<void, RedisError>
    /** Requests granted fleet-wide within the window that ends now, for a limit that counts requests. Reads all of them. */
    readonly granted: (limit: Limit, key?: string) => Effect.Effect<number, RedisError>
  }
>()("@eco2/core/limit/RateLimiter") {}

const standardPatience = Duration.seconds(5)
/** Between two tries to settle a request, and how many there are: about ten minutes, longer than most windows. */
const settlePauses = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")])
const mostSettles = 300
/** The longest time a waiter goes without asking whether a pause was lifted. */
const longestUnasked = 60_000

/** How long to wait after an answer. Where requests are counted, each waiter already gets its own time, so it needs no jitter. */
const waitOf = ({ requests }: Limit, { isPaused, millis }: Answer): number =>
  isPaused && (requests === null || millis > longestUnasked) ? Jitter.millis(Math.min(millis, longestUnasked)) : millis

const unitsOf = (limit: Limit, { units = 1 }: Request): number =>
  Number.isFinite(units)
    ? Math.max(0, units)
    : Definition.refuse(`request to limit ${JSON.stringify(limit.name)}`, "units", units, "a finite number")

export const layer: Layer.Layer<RateLimiter, never, RedisClient | CoreConfig> = Layer.effect(
  RateLimiter,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    // no limit's name contains "|"
    const nameOf = ({ name }: Limit, key: string | undefined) => (key === undefined ? name : `${name}|${key}`)
    const lineOf = (limit: Limit, key: string | undefined): Line => ({
      limit,
      keys: redis.keys.limit(nameOf(limit, key))
    })
    const config = yield* CoreConfig
    const scope = yield* Effect.scope
    const tell = UsedNames.teller(redis, redis.keys.limits, scope)
    const alarm = yield* Alarm.make
    const leaseMillis = Duration.toMillis(config.lease)
    const store = LimitStore.make(redis, { clockOffsetMillis: config.clockOffsetMillis, leaseMillis })
    const permits = yield* Permits.make(store, leaseMillis, (why) => redis.late("limit-renew", why))
    const settling = OutageLog.make("limit usage could not be reported", "limit usage is reported again")
    let arrivals = 0

    /**
     * The work's result does not wait for it. While Redis does not answer, or refuses, it is sent again: units used beyond the
     * estimate were charged to nobody otherwise. There are as many as calls were in flight, because nothing is granted then.
     */
    const settle = (line: Line, id: string, leave: string | null, used: number | null, units: number) =>
      store
        .settle({ line, id, leave, used, units })
        .pipe(
          Effect.tapError(settling.failed),
          Effect.retry({ schedule: settlePauses, while: isTransient, times: mostSettles }),
          Effect.matchEffect({ onFailure: settling.failed, onSuccess: () => settling.over }),
          Effect.andThen(Effect.sync(() => alarm.wakeFirst(line.keys.state))),
          Effect.forkIn(scope, { startImmediately: true })
        )

    const stand = Effect.fnUntraced(function* (
      line: Line,
      id: string,
      place: string | null,
      request: Request,
      units: number
    ) {
      const now = yield* Elapsed.clock
      const since = now()
      const patienceMillis = Duration.toMillis(Duration.fromInputUnsafe(request.patience ?? standardPatience))
      const order = arrivals++
      for (;;) {
        const waitedMillis = now() - since
        // the lease begins when Redis grants the permit, which is not before now
        const sentAt = performance.now()
        const answer = yield* store.take({
          line,
          id,
          place,
          units,
          patienceMillis: patienceMillis - waitedMillis
        })
        if (answer.verdict === "granted") return { ...answer, sentAt }
        if (answer.verdict !== "wait") {
          return yield* new RateLimited({
            limit: line.limit.name,
            retryAfter: Duration.millis(waitOf(line.limit, answer))
          })
        }
        yield* alarm.sleep(line.keys.state, order, waitOf(line.limit, answer))
      }
    })

    const use = <A, E, R>(limit: Limit, request: Request, work: (permit: Permit) => Effect.Effect<A, E, R>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const attempt = yield* Attempt
          const line = lineOf(limit, request.key)
          yield* tell(nameOf(limit, request.key))
          const id = randomUUID()
          const units = unitsOf(limit, request)
          const answer = yield* restore(attempt.untimed(stand(line, id, attempt.place, request, units))).pipe(
            Effect.onInterrupt(() => settle(line, id, attempt.place ?? id, 0, units))
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
              // the work is done and may be paid: a count that is none must not fail it
              if (Number.isFinite(units)) used = Math.max(0, units)
            }
          }
          const isHeld = limit.permits !== null
          const lost = isHeld ? yield* permits.hold(line, id, answer.sentAt) : null
          const working = Effect.suspend(() => work(permit))
          return yield* restore(lost === null ? working : Effect.raceFirst(working, Deferred.await(lost))).pipe(
            Effect.onExit(() => {
              permits.drop(id)
              // a lost permit too: Redis may still hold it
              return !isHeld && used === null ? Effect.void : settle(line, id, null, used, units)
            })
          )
        })
      )

    return RateLimiter.of({
      use,
      pause: (limit, duration, key) =>
        Effect.andThen(
          tell(nameOf(limit, key)),
          store.pause(lineOf(limit, key), Duration.toMillis(Duration.fromInputUnsafe(duration)))
        ),
      granted: (limit, key) => store.granted(lineOf(limit, key))
    })
  })
)
