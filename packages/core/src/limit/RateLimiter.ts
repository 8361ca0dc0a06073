/**
 * RateLimiter: keeps fleet-wide limits (Limit): requests and units in any sliding window, permits held at once.
 * Invariant L1: no limit is exceeded fleet-wide in any window; a permit is a lease and comes back when its holder dies; a
 * charge never does.
 * Waiting is in order of arrival and costs a waiting fiber two calls as a rule: one to stand in line, which tells the time
 * to come, and one then. Up to `patience` it happens in the fiber; what takes longer is RateLimited, and the attempt of a
 * stage keeps its place until it comes back. Who is told to come when a pause is over is told a time of his own (Spread), and
 * comes at least once a minute to see whether it was lifted. Waits are served by one timer a process (Alarm), permits are
 * renewed by one (Permits). State is Redis's alone (LimitStore); nothing is kept in memory but what this process waits for
 * and holds.
 */
import { Context, Deferred, Duration, Effect, Layer, Metric } from "effect"
import { randomUUID } from "node:crypto"
import { Attempt } from "../mailbox/Attempt.ts"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Keys from "../redis/Keys.ts"
import { RedisClient } from "../redis/RedisClient.ts"
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
import * as Spread from "../clock/Jitter.ts"

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
     * - PermitLost: it was interrupted, at the latest when its lease was over without a renewal
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
/** Who waits for the end of a pause comes so often to see whether it was lifted. */
const longestUnasked = 60_000

/** How long an answer has one wait. Where requests are counted, who waits is told a time of his own already. */
const waitOf = ({ requests }: Limit, { isPaused, millis }: Answer): number =>
  isPaused && (requests === null || millis > longestUnasked) ? Spread.millis(Math.min(millis, longestUnasked)) : millis

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
    const permits = yield* Permits.make(store, leaseMillis)
    const settling = OutageLog.make("limit usage could not be reported", "limit usage is reported again")
    let arrivals = 0

    /** The result of the work does not wait for it. What is lost with Redis away: a permit until its lease is over. */
    const settle = (line: Line, id: string, leave: string | null, used: number | null, units: number) =>
      store
        .settle({ line, id, leave, used, units })
        .pipe(
          Effect.matchEffect({ onFailure: settling.failed, onSuccess: () => settling.over }),
          Effect.andThen(Effect.sync(() => alarm.wakeFirst(line.keys.state))),
          Effect.forkIn(scope, { startImmediately: true })
        )

    const stand = Effect.fnUntraced(function* (line: Line, id: string, place: string | null, request: Request) {
      const now = yield* Elapsed.clock
      const since = now()
      const patienceMillis = Duration.toMillis(Duration.fromInputUnsafe(request.patience ?? standardPatience))
      const order = arrivals++
      for (;;) {
        const waitedMillis = now() - since
        // the lease begins when Redis grants it: not before now
        const sentAt = performance.now()
        const answer = yield* store.take({
          line,
          id,
          place,
          units: Math.max(0, request.units ?? 1),
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
          const id = randomUUID()
          const units = Math.max(0, request.units ?? 1)
          const answer = yield* restore(attempt.untimed(stand(line, id, attempt.place, request))).pipe(
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
              used = Math.max(0, units)
            }
          }
          const isHeld = limit.permits !== null
          const lost = isHeld ? yield* permits.hold(line, id, answer.sentAt) : null
          const working = Effect.suspend(() => work(permit))
          return yield* restore(lost === null ? working : Effect.raceFirst(working, Deferred.await(lost))).pipe(
            Effect.onExit(() => {
              permits.drop(id)
              // a lost one too: Redis may have it still
              return !isHeld && used === null ? Effect.void : settle(line, id, null, used, units)
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
