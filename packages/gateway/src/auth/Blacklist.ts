/**
 * Blacklist: the revoked tokens in this process's memory. Loaded from their keys and kept up to date by topic
 * `blacklist.events`, without a gap between the two or after a disconnect (Topic). A check is one look-up in a map.
 * Cut off from Redis, it uses the last known list and logs so once; after BLACKLIST_MAX_AGE it answers `unknown`, and nobody is
 * let in. When Redis has lost its data, the process keeps what it knows and stores it again: a flush must not let revoked tokens
 * in. Revocations writes.
 */
import { Topic } from "@eco2/core/client"
import type { RedisError } from "@eco2/core/client"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { Gauges, Readiness, Supervisor } from "@eco2/core/telemetry"
import { Clock, Duration, Effect, Metric, Queue, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import { BlacklistEvents, forgottenAt, restore } from "./Revocations.ts"
import * as BlacklistKeys from "./BlacklistKeys.ts"

export interface Blacklist {
  /** `unknown`: the list is too old to be trusted. */
  readonly standing: (jti: string) => "good" | "revoked" | "unknown"
  /** Calls `end` when this process learns that the token is revoked: at once if it knows. Returns how to listen no more. */
  readonly whenRevoked: (jti: string, end: () => void) => () => void
  /** Tokens known to be revoked. */
  readonly size: () => number
}

const tokens = Metric.gauge("eco2_authz_blacklist_tokens", { description: "revoked tokens known to this process" })
const age = Metric.gauge("eco2_authz_blacklist_age_seconds", {
  description: "seconds since the list was known to be complete; up to 20 in normal operation"
})
const blindness = Metric.gauge("eco2_authz_blind", { description: "1 while revocations are known not to arrive" })

const lookEvery = Duration.seconds(1)
const looksPerPrune = 60
/** A blocking read lasts up to 20 s in normal operation, so only a longer silence is an error. */
const deafAfterMillis = 30_000
/** Kept for this long if the key's value contains no time. */
const unreadableSeconds = 86_400
const restoreAgain = Duration.seconds(1)

const Values = Schema.Array(Schema.NullOr(Schema.String))

/** All revoked tokens: key → epoch seconds from which the entry may be dropped. */
const load = Effect.fnUntraced(function* (nowSeconds: number) {
  const redis = yield* RedisClient.RedisClient
  const found = new Map<string, number>()
  const decodeMany = RedisClient.decodeReply("MGET", Values)
  const decodeOne = RedisClient.decodeReply("GET", Schema.NullOr(Schema.String))
  // the keys of a page are in many slots
  const valuesOf = (keys: ReadonlyArray<string>) =>
    redis.topology === "Cluster"
      ? Effect.forEach(keys, (key) => Effect.flatMap(redis.send("GET", key), decodeOne), { concurrency: 100 })
      : Effect.flatMap(redis.send("MGET", ...keys), decodeMany)
  yield* redis.scanPages(BlacklistKeys.revoked(redis.keys, "*"), (keys) =>
    Effect.map(valuesOf(keys), (values) => {
      for (const [i, value] of values.entries()) {
        // expired since SCAN returned it
        if (value === null) continue
        const until = Number.parseInt(value, 10)
        found.set(keys[i]!, until > 0 ? until : nowSeconds + unreadableSeconds)
      }
    })
  )
  return found
})

export const make = Effect.fnUntraced(function* (options: {
  readonly maxAge: Duration.Duration
}): Effect.fn.Return<
  Blacklist,
  RedisError.RedisError,
  RedisClient.RedisClient | Keyspace | Topic.Topics | Readiness | Gauges | Scope.Scope
> {
  const redis = yield* RedisClient.RedisClient
  const keyspace = yield* Keyspace
  const clock = yield* Clock.Clock
  const nowSeconds = () => clock.currentTimeMillisUnsafe() / 1_000
  const maxAge = Duration.toMillis(options.maxAge)
  const begun = clock.currentTimeMillisUnsafe()
  /** By the whole key, as `load` returns it: a substring would keep its whole text in memory. */
  let revoked = new Map<string, number>()
  /** By the same keys: who wants to know of a revocation. */
  const listeners = new Map<string, Set<() => void>>()
  const tell = (key: string) => listeners.get(key)?.forEach((end) => end())
  /** Redis has lost its data, and what this process knows is not stored again yet. */
  let lost = false
  const losses = yield* Queue.sliding<void>(1)
  yield* keyspace.onLoss(() => {
    lost = true
    Queue.offerUnsafe(losses, undefined)
  })

  const subscription = yield* Topic.follow(BlacklistEvents, {
    snapshot: () =>
      // first whether the data is the same: keys that a flush took away were not taken back by an operator
      Effect.gen(function* () {
        yield* keyspace.confirm
        const keeps = lost
        const found = yield* load(nowSeconds())
        revoked = keeps ? new Map([...revoked, ...found]) : found
        for (const key of listeners.keys()) if (revoked.has(key)) tell(key)
      }).pipe(Effect.provideService(RedisClient.RedisClient, redis)),
    event: ({ expires_at, jti, type }) =>
      Effect.sync(() => {
        const key = BlacklistKeys.revoked(redis.keys, jti)
        if (type === "remove") return void revoked.delete(key)
        const until = forgottenAt(Date.parse(expires_at))
        revoked.set(key, until > 0 ? until : nowSeconds() + unreadableSeconds)
        tell(key)
      })
  })
  yield* Effect.logInfo("revocations loaded").pipe(
    Effect.annotateLogs({ tokens: revoked.size, millis: clock.currentTimeMillisUnsafe() - begun })
  )

  const isTooOld = () => {
    const millis = subscription.ageMillis()
    return millis > maxAge && (subscription.blind() || millis > deafAfterMillis)
  }

  let wasBlind = false
  let wasTooOld = false
  let looks = 0
  const look = Effect.suspend(() => {
    if (++looks % looksPerPrune === 0) {
      const now = nowSeconds()
      for (const [key, until] of revoked) if (until <= now) revoked.delete(key)
    }
    const [blind, tooOld] = [subscription.blind(), isTooOld()]
    const said: Array<Effect.Effect<void>> = []
    if (blind && !wasBlind) said.push(Effect.logWarning("revocations do not arrive; using the last known list"))
    if (tooOld && !wasTooOld) said.push(Effect.logError("the list of revocations is too old; nobody is let in"))
    if (!blind && wasBlind) said.push(Effect.logInfo("revocations arrive again; missed ones are loaded"))
    wasBlind = blind
    wasTooOld = tooOld
    return Effect.all(said, { discard: true })
  })
  const restoreAll = Effect.suspend(() => {
    const known = [...revoked].filter(([, until]) => until > nowSeconds())
    return Effect.forEach(known, ([key, until]) => restore(key, until), { concurrency: 100, discard: true }).pipe(
      Effect.provideService(RedisClient.RedisClient, redis),
      Effect.andThen(
        Effect.suspend(() => {
          lost = false
          return Effect.logWarning("revocations that redis had lost are stored again").pipe(
            Effect.annotateLogs({ tokens: known.length })
          )
        })
      )
    )
  })
  const restoring = Effect.andThen(
    Queue.take(losses),
    // RedisHealth says why Redis does not answer
    Effect.retry(restoreAll, Schedule.spaced(restoreAgain)).pipe(Effect.ignore)
  )
  const supervisor = Supervisor.make()
  yield* supervisor.supervise("lost revocations", Effect.forever(restoring))
  yield* supervisor.supervise("blacklist", Effect.forever(Effect.andThen(Effect.sleep(lookEvery), look)))

  const readiness = yield* Readiness
  const trouble = () => supervisor.trouble() ?? (isTooOld() ? "the list of revocations is too old" : null)
  yield* readiness.register("blacklist", trouble, supervisor.failed)
  // registered separately, because readiness may leave Redis out
  const { supervision } = yield* Topic.Topics
  yield* readiness.register("revocations", supervision.trouble, supervision.failed)
  const gauges = yield* Gauges
  yield* gauges.register(
    Effect.suspend(() =>
      Effect.all(
        [
          Metric.update(tokens, revoked.size),
          Metric.update(age, subscription.ageMillis() / 1_000),
          Metric.update(blindness, subscription.blind() ? 1 : 0)
        ],
        { discard: true }
      )
    )
  )

  return {
    standing: (jti) =>
      revoked.has(BlacklistKeys.revoked(redis.keys, jti)) ? "revoked" : isTooOld() ? "unknown" : "good",
    whenRevoked: (jti, end) => {
      const key = BlacklistKeys.revoked(redis.keys, jti)
      const ofToken = listeners.get(key) ?? new Set()
      listeners.set(key, ofToken.add(end))
      if (revoked.has(key)) end()
      return () => {
        if (ofToken.delete(end) && ofToken.size === 0) listeners.delete(key)
      }
    },
    size: () => revoked.size
  }
})
