/**
 * CircuitBreaker: stops the fleet from calling a service that fails. Closed: calls pass. Open: no calls until its time is over.
 * Half-open: one fiber of the fleet probes; success closes the breaker, failure opens it for twice as long. It opens after
 * `failures` failures within `within` that are at least half of the calls reported, or at once (`trip`).
 * Cost: a breaker whose calls are asked for is read once a second by each process, a failure is one report. Other processes
 * therefore learn within a second that it opened, or that an operator closed it (BreakerList). When Redis is down, the last known state decides: a breaker
 * saves calls but guarantees nothing (RateLimiter does).
 */
import { Cause, Context, Duration, Effect, Exit, Layer, Metric, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Definition from "../config/Definition.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import * as OutageLog from "../telemetry/OutageLog.ts"
import { Gauges } from "../telemetry/Gauges.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import * as Preludes from "./Preludes.ts"
import * as UsedNames from "./UsedNames.ts"

export interface Breaker {
  readonly name: string
  /** This many failures open it … */
  readonly failures: number
  /** … when they happen within this time. */
  readonly within: Duration.Duration
  /** How long it is open the first time; doubled each time in a row, up to `atMost`. */
  readonly openFor: Duration.Duration
  readonly atMost: Duration.Duration
  /** The longest time of a probe; after that another fiber may probe. */
  readonly probeFor: Duration.Duration
}

/**
 * Defaults: 8 failures within 30 seconds open it for 15 seconds, up to 5 minutes when repeated; a probe has 1 minute. Throws
 * InvalidDefinition on fewer than one failure, a duration that is none, or an `atMost` shorter than `openFor`.
 */
export const make = (
  name: string,
  options: {
    readonly failures?: number
    readonly within?: Duration.Input
    readonly openFor?: Duration.Input
    readonly atMost?: Duration.Input
    readonly probeFor?: Duration.Input
  } = {}
): Breaker => {
  Definition.title("breaker", name)
  const breaker = `breaker ${JSON.stringify(name)}`
  const openFor = Definition.duration(breaker, "openFor", options.openFor ?? "15 seconds")
  const atMost =
    options.atMost === undefined
      ? Duration.max(openFor, Duration.minutes(5))
      : Definition.duration(breaker, "atMost", options.atMost)
  if (Duration.isLessThan(atMost, openFor)) {
    Definition.refuse(breaker, "atMost", atMost, `at least its openFor of ${Duration.format(openFor)}`)
  }
  return {
    name,
    failures: Definition.integer(breaker, "failures", options.failures ?? 8, { min: 1, max: 1_000_000 }),
    within: Definition.duration(breaker, "within", options.within ?? "30 seconds"),
    openFor,
    atMost,
    probeFor: Definition.duration(breaker, "probeFor", options.probeFor ?? "1 minute")
  }
}

/** The breaker is open, or another fiber probes. Nothing happened; retry after `retryAfter`. Uses up no attempt. */
export class BreakerOpen extends Schema.TaggedError<BreakerOpen>()("BreakerOpen", {
  breaker: Schema.String,
  retryAfter: Schema.Duration
}) {
  override get message() {
    return `breaker ${this.breaker} is open; try again in ${Duration.format(this.retryAfter)}`
  }
}

/** well: the service works · failed: it may not work · trip: it does not work, open at once · nothing: not called, or unknown. */
export type Judgement = "well" | "failed" | "trip" | "nothing"

export class CircuitBreaker extends Context.Service<
  CircuitBreaker,
  {
    /**
     * Runs a call unless the breaker is open. `judge` maps the call's error to a judgement; a defect is `failed`, an interruption
     * `nothing`.
     */
    readonly guard: <A, E, R>(
      breaker: Breaker,
      call: Effect.Effect<A, E, R>,
      judge: (error: E) => Judgement
    ) => Effect.Effect<A, E | BreakerOpen, R>
    /** Fails while this process knows that it is open; waits for no I/O. For work to skip when the call would be refused. */
    readonly look: (breaker: Breaker) => Effect.Effect<void, BreakerOpen>
    /** Opens it at once. */
    readonly trip: (breaker: Breaker) => Effect.Effect<void>
  }
>()("@eco2/core/limit/CircuitBreaker") {}

const State = Schema.Literals(["closed", "open", "half-open", "probe"])
type State = typeof State.Type
const script = <A>(name: string, reply: Schema.ConstraintDecoder<A>) =>
  Script.make({
    file: new URL(`./scripts/${name}.lua`, import.meta.url),
    preludes: Preludes.breaker,
    numberOfKeys: 1,
    reply
  })
const askScript = script("breaker-ask", Schema.Tuple([State, Schema.Int]))
const reportScript = script("breaker-report", Schema.Tuple([State, Schema.Int, Schema.Literals([0, 1])]))

const lookEveryMillis = 1_000
const gauge = { closed: 0, "half-open": 1, probe: 1, open: 2 } satisfies Record<State, number>

/** What this process knows of a breaker. Times by performance.now(). */
interface Known {
  readonly breaker: Breaker
  state: State
  lookedAt: number
  openUntil: number
  /** Successful calls since the last report. */
  well: number
}

export const layer: Layer.Layer<CircuitBreaker, never, RedisClient | CoreConfig> = Layer.effect(
  CircuitBreaker,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const { clockOffsetMillis } = yield* CoreConfig
    const scope = yield* Effect.scope
    const gauges = yield* Effect.serviceOption(Gauges)
    const outage = OutageLog.make("breaker state cannot be read; using the last known", "breaker state is read again")
    const breakers = new Map<string, Known>()
    const of = (breaker: Breaker): Known => {
      const found = breakers.get(breaker.name)
      if (found !== undefined) return found
      const known: Known = { breaker, state: "closed", lookedAt: -Infinity, openUntil: 0, well: 0 }
      breakers.set(breaker.name, known)
      return known
    }

    const learn = (known: Known, [state, millis]: readonly [State, number, ...ReadonlyArray<number>]) =>
      Effect.suspend(() => {
        const now = performance.now()
        known.state = state
        known.lookedAt = now
        known.openUntil = state === "open" ? now + millis : 0
        return Metric.update(Metric.withAttributes(Metrics.breakerState, { name: known.breaker.name }), gauge[state])
      })
    /** When Redis does not answer: null, and the known state stays valid for another second. */
    const asked = <A extends readonly [State, number, ...ReadonlyArray<number>]>(
      known: Known,
      command: Effect.Effect<A, RedisError>
    ) =>
      command.pipe(
        Effect.tap((answer) => Effect.andThen(outage.over, learn(known, answer))),
        Effect.catch((error) => {
          known.lookedAt = performance.now()
          return Effect.as(outage.failed(error), null)
        })
      )
    const tell = UsedNames.teller(redis, redis.keys.breakers, scope)
    const ask = (known: Known, token: string) =>
      Effect.andThen(tell(known.breaker.name), () =>
        asked(
          known,
          redis.run(
            askScript,
            [redis.keys.breaker(known.breaker.name)],
            [clockOffsetMillis, token, Duration.toMillis(known.breaker.probeFor)]
          )
        )
      )
    const report = Effect.fnUntraced(function* (known: Known, id: string, judgement: Judgement) {
      const { breaker, well } = known
      known.well = 0
      yield* tell(breaker.name)
      const answer = yield* asked(
        known,
        redis.run(
          reportScript,
          [redis.keys.breaker(breaker.name)],
          [
            clockOffsetMillis,
            judgement,
            id,
            breaker.failures,
            Duration.toMillis(breaker.within),
            Duration.toMillis(breaker.openFor),
            Duration.toMillis(breaker.atMost),
            well
          ]
        )
      )
      if (answer === null || answer[2] === 0) return
      yield* answer[0] === "closed"
        ? Effect.logInfo("breaker closed").pipe(Effect.annotateLogs({ breaker: breaker.name }))
        : Effect.logError("breaker opened").pipe(
            Effect.annotateLogs({ breaker: breaker.name, judgement, open_ms: answer[1] })
          )
    })

    if (gauges._tag === "Some") {
      yield* gauges.value.register(
        Effect.suspend(() => Effect.forEach(breakers.values(), (known) => ask(known, ""), { discard: true }))
      )
    }

    const isOpen = (known: Known, millis: number) =>
      new BreakerOpen({
        breaker: known.breaker.name,
        // jitter: callers retry spread over a fifth of the time
        retryAfter: Duration.millis(Math.ceil(Math.max(1_000, millis) * (1 + Math.random() / 5)))
      })

    /** Admits a call; true: as the probe, under this token. */
    const admit = Effect.fnUntraced(function* (known: Known, token: string): Effect.fn.Return<boolean, BreakerOpen> {
      const now = performance.now()
      const isFresh = now - known.lookedAt < lookEveryMillis
      const left = known.state === "open" ? known.openUntil - now : 0
      if (isFresh && left > 0) return yield* isOpen(known, left)
      if (isFresh && known.state === "closed") return false
      const answer = yield* ask(known, token)
      if (answer === null && left > 0) return yield* isOpen(known, left)
      if (answer === null || answer[0] === "closed") return false
      if (answer[0] === "probe") return true
      return yield* isOpen(known, answer[0] === "half-open" ? Math.min(answer[1], 5_000) : answer[1])
    })

    return CircuitBreaker.of({
      guard: <A, E, R>(breaker: Breaker, call: Effect.Effect<A, E, R>, judge: (error: E) => Judgement) => {
        const judged = (exit: Exit.Exit<A, E>): Judgement => {
          if (Exit.isSuccess(exit)) return "well"
          const error = Cause.findErrorOption(exit.cause)
          if (error._tag === "Some") return judge(error.value)
          return Cause.hasInterruptsOnly(exit.cause) ? "nothing" : "failed"
        }
        return Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            const known = of(breaker)
            const id = randomUUID()
            const isProbe = yield* restore(admit(known, id)).pipe(
              // an answer still on its way may have granted the probe
              Effect.onInterrupt(() => Effect.forkIn(report(known, id, "nothing"), scope, { startImmediately: true }))
            )
            return yield* Effect.onExit(restore(call), (exit) => {
              const judgement = judged(exit)
              if (!isProbe && judgement === "well") known.well++
              return isProbe || judgement === "failed" || judgement === "trip"
                ? report(known, id, judgement)
                : Effect.void
            })
          })
        )
      },
      look: (breaker) =>
        Effect.suspend(() => {
          const known = of(breaker)
          const now = performance.now()
          const left = known.openUntil - now
          if (known.state !== "open" || left <= 0) return Effect.void
          // who skips its work asks nothing else: it would not learn that an operator closed it
          const look =
            now - known.lookedAt < lookEveryMillis
              ? Effect.void
              : Effect.forkIn(ask(known, ""), scope, { startImmediately: true })
          return Effect.andThen(look, Effect.fail(isOpen(known, left)))
        }),
      trip: (breaker) => report(of(breaker), randomUUID(), "trip")
    })
  })
)
