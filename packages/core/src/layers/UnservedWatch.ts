/**
 * UnservedWatch: says within a minute that a mailbox has work and no process that serves it (Unserved): one log line for the
 * fleet, and a gauge. Every process asks for the turn (a key with an expiry), and one in the fleet looks, at what it does not
 * serve itself. What it finds anew it looks at again after some seconds, so that a worker that is just being replaced is not
 * taken for a missing one. An idle process sends at most three commands a minute for it.
 */
import { Duration, Effect, Layer, Metric } from "effect"
import type { Scope } from "effect"
import * as Elapsed from "../clock/Elapsed.ts"
import { Unserved } from "../mailbox/Unserved.ts"
import type { UnservedMailbox } from "../mailbox/Unserved.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { Gauges } from "../telemetry/Gauges.ts"
import { mailboxUnserved } from "../telemetry/Metrics.ts"

/** With the second look and the age, together less than a minute. */
const periodMillis = 54_000
const turnMillis = 50_000
const secondLookMillis = 4_000
const leastAgeMillis = 1_000
/** How long a finding holds for /metrics: until another process that has the turn shows it. */
const shownMillis = 2 * periodMillis
/** A mailbox that stays unserved is logged again after this time. */
const loggedMillis = 600_000

interface Timing {
  readonly periodMillis: number
  readonly secondLookMillis: number
  readonly leastAgeMillis: number
}
const standard: Timing = { periodMillis, secondLookMillis, leastAgeMillis }

/** Looks until the scope closes. `serves`: the mailboxes that this process serves. */
export const make = Effect.fnUntraced(function* (
  serves: () => ReadonlyArray<string>,
  timing: Timing = standard
): Effect.fn.Return<void, never, RedisClient | Unserved | Gauges | Scope.Scope> {
  const redis = yield* RedisClient
  const unserved = yield* Unserved
  const gauges = yield* Gauges
  const millis = yield* Elapsed.clock
  const found = new Map<string, UnservedMailbox & { readonly at: number }>()

  const tell = Effect.fnUntraced(function* (one: UnservedMailbox) {
    const { entries, mailbox, oldestMillis } = one
    found.set(mailbox, { ...one, at: millis() })
    if ((yield* redis.send("SET", redis.keys.unserved(mailbox), "1", "NX", "PX", loggedMillis)) !== "OK") return
    yield* Effect.logError("mailbox has work and no process serves it").pipe(
      Effect.annotateLogs({ mailbox, entries, oldest_ms: Math.round(oldestMillis) })
    )
  })
  const look: Effect.Effect<void, RedisError> = Effect.gen(function* () {
    const names = yield* unserved.turn(Math.min(turnMillis, timing.periodMillis))
    if (names === null) return
    const own = new Set(serves())
    const first = yield* unserved.find(
      names.filter((name) => !own.has(name)),
      timing.leastAgeMillis
    )
    const isNew = ({ mailbox }: UnservedMailbox) => millis() - (found.get(mailbox)?.at ?? -Infinity) >= shownMillis
    const [known, suspects] = [first.filter((one) => !isNew(one)), first.filter(isNew)]
    yield* Effect.forEach(known, tell, { discard: true })
    if (suspects.length === 0) return
    yield* Effect.sleep(Duration.millis(timing.secondLookMillis))
    const again = yield* unserved.find(
      suspects.map(({ mailbox }) => mailbox),
      timing.leastAgeMillis
    )
    yield* Effect.forEach(again, tell, { discard: true })
  })

  yield* gauges.register(
    Effect.suspend(() =>
      Effect.forEach(
        [...found],
        ([mailbox, { at, entries }]) => {
          const holds = millis() - at < shownMillis
          if (!holds) found.delete(mailbox)
          return Metric.update(Metric.withAttributes(mailboxUnserved, { mailbox }), holds ? entries : 0)
        },
        { discard: true }
      )
    )
  )
  const round = look.pipe(
    Effect.catch((error) =>
      Effect.logDebug("unserved mailboxes could not be looked for").pipe(Effect.annotateLogs({ error: error.message }))
    ),
    Effect.catchDefect((defect) => Effect.logError("unserved mailboxes could not be looked for", defect))
  )
  const pause = Effect.sleep(Duration.millis(timing.periodMillis))
  // not at once: the fleet may just be starting
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(pause, round)))
})

/** For a process that serves no mailbox. */
export const layer: Layer.Layer<never, never, RedisClient | Unserved | Gauges> = Layer.effectDiscard(make(() => []))
