/**
 * Retry: the retry policy of handlers, chosen by the error's tag. Waits are durable (defer), so a schedule only gives the delay after
 * one attempt; no fiber sleeps. And `untilSettled`, which sends what Redis did not take again; there a fiber sleeps.
 * Used by StageBehavior, StageOutcome, Settlement, Behavior and Recorder.
 */
import { Cause, Duration, Effect, Predicate, Pull, Schedule } from "effect"
import * as Definition from "../config/Definition.ts"

/** again: retry after `delay`, uses an attempt · later: uses none · give-up: cannot heal, or (`heals`) no attempts left. */
export type Decision =
  | { readonly _tag: "again"; readonly delay: Duration.Duration }
  | { readonly _tag: "later"; readonly delay: Duration.Duration }
  | { readonly _tag: "give-up"; readonly heals: boolean }

type Tagged = { readonly _tag: string }

export interface Policy<E> {
  /** `attempt`: the attempt that just failed, counted from 1. */
  readonly decide: (error: E, attempt: number) => Effect.Effect<Decision>
  /** Whether a later round may succeed when all attempts failed. By default it may. */
  readonly heals?: (error: E) => boolean
}

/** Three more attempts with jittered exponential backoff (1 s, 2 s, 4 s): the default for an error without a rule. */
export const standard: Schedule.Schedule<unknown> = Schedule.exponential("1 second").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 3 })
)

/** The schedule's delay after the n-th failure, or give-up when the schedule has ended. */
const delayAfter = (schedule: Schedule.Schedule<unknown>, attempt: number): Effect.Effect<Decision> =>
  Effect.gen(function* () {
    const step = yield* Schedule.toStep(schedule)
    let delay = Duration.zero
    // the schedule's elapsed time is not used: waits are durable and may span restarts
    for (let n = 0; n < attempt; n++) delay = (yield* step(0, undefined))[1]
    return { _tag: "again", delay } as const
  }).pipe(Pull.catchDone(() => Effect.succeed<Decision>({ _tag: "give-up", heals: true })))

/** No further attempt in this round; a later round may succeed. */
export const notNow: Schedule.Schedule<unknown> = Schedule.recurs(0)

const ownWait = (error: unknown): Duration.Duration | null =>
  Predicate.hasProperty(error, "retryAfter") && Duration.isDuration(error.retryAfter) ? error.retryAfter : null

const giveUp: Decision = { _tag: "give-up", heals: false }

/**
 * - `never`: tags that cannot heal
 * - `byTag`: the schedule of a tag
 * - `ends`: tags without a later round: given up for good when their schedule has ended
 * - `retryAfter`: a wait that the error requests (a rate limit); it uses no attempt. By default the error's own `retryAfter`,
 *   which RateLimited and BreakerOpen have
 * - `otherwise`: the schedule of any other error, defects included; by default `standard`
 *
 * Throws InvalidDefinition when a tag of `never` is also given a schedule: it would never be used.
 */
export const policy = <E extends Tagged = never>(
  options: {
    readonly never?: ReadonlyArray<E["_tag"]>
    readonly byTag?: { readonly [Tag in E["_tag"]]?: Schedule.Schedule<unknown> }
    readonly ends?: ReadonlyArray<E["_tag"]>
    readonly retryAfter?: (error: E) => Duration.Duration | null
    readonly otherwise?: Schedule.Schedule<unknown>
  } = {}
): Policy<E> => {
  for (const tag of options.never ?? []) {
    const rules = [...Object.keys(options.byTag ?? {}), ...(options.ends ?? [])]
    if (rules.includes(tag)) Definition.refuse("retry policy", "never", tag, "a tag without a rule in byTag or ends")
  }
  const heals = (error: E) => options.ends?.includes(error._tag) !== true
  return {
    heals,
    decide: (error, attempt) => {
      if (options.never?.includes(error._tag) === true) return Effect.succeed(giveUp)
      const wait = options.retryAfter?.(error) ?? ownWait(error)
      if (wait !== null) return Effect.succeed({ _tag: "later", delay: wait })
      const byTag: { readonly [tag: string]: Schedule.Schedule<unknown> | undefined } = options.byTag ?? {}
      return Effect.map(delayAfter(byTag[error._tag] ?? options.otherwise ?? standard, attempt), (decision) =>
        decision._tag === "give-up" ? { ...decision, heals: heals(error) } : decision
      )
    }
  }
}

/**
 * The same policy with `most` attempts; null: unchanged. A failure of the last attempt gives up. A schedule that ends earlier
 * goes on with its last delay.
 */
export const limited = <E>(policy: Policy<E>, most: number | null): Policy<E> =>
  most === null
    ? policy
    : {
        ...policy,
        decide: Effect.fnUntraced(function* (error, attempt) {
          let decision = yield* policy.decide(error, attempt)
          if (decision._tag === "later" || (decision._tag === "give-up" && !decision.heals)) return decision
          if (attempt >= most) return { _tag: "give-up", heals: policy.heals?.(error) ?? true }
          for (let n = attempt - 1; n > 0 && decision._tag === "give-up"; n--) decision = yield* policy.decide(error, n)
          return decision._tag === "give-up" ? { _tag: "again", delay: Duration.seconds(1) } : decision
        })
      }

/** A defect is a bug: one more attempt after a second, then it is given up. */
export const defects = (attempt: number): Effect.Effect<Decision> =>
  delayAfter(Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 1 })), attempt)

/** Why an exit failed: its first typed error, else the defect. */
export type Reason<E> = { readonly error: E } | { readonly defect: unknown }

export const reasonOf = <E extends Tagged>(cause: Cause.Cause<E>): Reason<E> => {
  const failure = cause.reasons.find(Cause.isFailReason)
  return failure === undefined ? { defect: Cause.squash(cause) } : { error: failure.error }
}

/** A reason as text: the error's tag and message; for a defect the tag is `Defect`. */
export const describe = (reason: Reason<Tagged>): { readonly tag: string; readonly message: string } => {
  const what = "error" in reason ? reason.error : reason.defect
  return {
    tag: "error" in reason ? reason.error._tag : "Defect",
    message: Predicate.hasProperty(what, "message")
      ? String(what.message)
      : "error" in reason
        ? reason.error._tag
        : String(what)
  }
}

/** Before the second send. */
export const firstPause = "50 millis"
/** Before the sends after it: exponential backoff from 100 ms to 2 s, without end. */
const laterPauses = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")])

/** Sends a result to Redis, again and again `while` a failure may heal: without end, or `times` times after the second. */
export const untilSettled = <A, E, R>(
  send: Effect.Effect<A, E, R>,
  again: { readonly while: (error: E) => boolean; readonly times?: number }
): Effect.Effect<A, E, R> =>
  // the schedule is created only when it is needed
  Effect.catchIf(send, again.while, () =>
    Effect.delay(Effect.retry(send, { schedule: laterPauses, ...again }), firstPause)
  )
