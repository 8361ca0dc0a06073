/**
 * Policies: settings of a mailbox that an operator changes while the fleet runs: capacity, time-out, attempts, automatic
 * redrives. The code has defaults, the environment overrides them (StageLimits, CoreConfig), and a policy overrides both.
 * A topic carries policies: every process applies a change within a second, and a new process has them before it works.
 * Read by JobStore and Mailbox (capacity), StageBehavior and Settlement (the rest).
 */
import { Context, Duration, Effect, Layer, Schema } from "effect"
import type { RedisError } from "../redis/RedisError.ts"
import * as Topic from "../topic/Topic.ts"
import { Topics } from "../topic/Topic.ts"

const whole = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const day = 86_400_000

/**
 * The policy of one mailbox; for a setting left out, environment or code decide.
 * - `capacity`: entries over all partitions, from the next submit or tell on
 * - `timeout_ms`: for attempts of a stage that begin from now on
 * - `attempts`: the number of attempts before giving up; it may exceed the retry schedule
 * - `redrives`: how often a job is parked for a cause that may heal, before it fails; `redrive_ms`: how long each time
 */
export const Policy = Schema.Struct({
  capacity: Schema.optionalKey(whole(1, 10_000_000)),
  timeout_ms: Schema.optionalKey(whole(1, day)),
  attempts: Schema.optionalKey(whole(1, 1_000)),
  redrives: Schema.optionalKey(whole(0, 100)),
  redrive_ms: Schema.optionalKey(whole(1, day))
})
export type Policy = typeof Policy.Type

/** A change of a mailbox's policy: null removes a setting, a setting left out stays as it is. */
export const Change = Schema.Struct({
  capacity: Schema.optionalKey(Schema.NullOr(Policy.fields.capacity.schema)),
  timeout_ms: Schema.optionalKey(Schema.NullOr(Policy.fields.timeout_ms.schema)),
  attempts: Schema.optionalKey(Schema.NullOr(Policy.fields.attempts.schema)),
  redrives: Schema.optionalKey(Schema.NullOr(Policy.fields.redrives.schema)),
  redrive_ms: Schema.optionalKey(Schema.NullOr(Policy.fields.redrive_ms.schema))
})
export type Change = typeof Change.Type

const none: Policy = {}
/** How long `change` waits until this process has received its own change; the change is valid in any case. */
const hearing = Duration.seconds(2)

/** Each setting is a field of the topic's state, so two concurrent changes of one mailbox do not undo each other. */
const PolicyTopic = Topic.make("policy", {
  event: Schema.Struct({ mailbox: Schema.NonEmptyString, change: Change }),
  state: {
    value: Schema.Int,
    change: ({ change, mailbox }) =>
      Object.entries(change).map(([setting, value]) =>
        value === null ? Topic.remove(`${mailbox} ${setting}`) : Topic.set(`${mailbox} ${setting}`, value)
      )
  }
})

const laidOver = (policy: Policy, change: Change): Policy =>
  Object.fromEntries(Object.entries({ ...policy, ...change }).filter(([, value]) => value !== null))

const byMailbox = (state: ReadonlyMap<string, number>): ReadonlyMap<string, Policy> => {
  const policies = new Map<string, Policy>()
  for (const [field, value] of state) {
    const [mailbox = "", setting = ""] = field.split(" ")
    // skip a setting that only newer versions know
    if (setting in Policy.fields) policies.set(mailbox, { ...policies.get(mailbox), [setting]: value })
  }
  return policies
}

export class Policies extends Context.Service<
  Policies,
  {
    /** The policy of a mailbox, as this process knows it; no I/O. */
    readonly of: (mailbox: string) => Policy
    /** All policies, by mailbox. */
    readonly all: () => ReadonlyMap<string, Policy>
    /**
     * Changes a mailbox's policy in Redis, then returns the new policy.
     * TopicFull, TopicEventTooLarge, RedisRefused: nothing happened. RedisUnavailable: unknown; changing it again is safe.
     */
    readonly change: (mailbox: string, change: Change) => Effect.Effect<Policy, Topic.PublishError>
  }
>()("@eco2/core/policy/Policies") {}

export const layer: Layer.Layer<Policies, RedisError, Topics> = Layer.effect(
  Policies,
  Effect.gen(function* () {
    const topics = yield* Topics
    let policies = byMailbox(new Map())
    const mirror = yield* Topic.mirror(PolicyTopic, (state) => {
      policies = byMailbox(state)
    })
    return Policies.of({
      of: (mailbox) => policies.get(mailbox) ?? none,
      all: () => policies,
      change: Effect.fnUntraced(function* (mailbox, change) {
        yield* topics.publish(PolicyTopic, { mailbox, change })
        // the answer includes recent changes by others; when they are late, it is what this process knows
        yield* mirror.subscription.caughtUp.pipe(Effect.timeoutOption(hearing), Effect.ignore)
        return laidOver(policies.get(mailbox) ?? none, change)
      })
    })
  })
)

/** No policies, only code and environment: for a program that follows no topic. */
export const fixed: Layer.Layer<Policies> = Layer.succeed(
  Policies,
  Policies.of({
    of: () => none,
    all: () => new Map(),
    change: () => Effect.die(new Error("this process follows no policies; it cannot change one"))
  })
)
