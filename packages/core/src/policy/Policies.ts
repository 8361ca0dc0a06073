/**
 * Policies: what an operator may change of a mailbox while the fleet runs: capacity, time-out, attempts, automatic redrives.
 * The code has the defaults, the environment overrides them (policy/StageLimits, CoreConfig), and what is set here overrides
 * both. Carried by a topic: whatever process reads it next works by the new value, within a second; one that starts late
 * has it before it works. Read by JobStore and Mailbox (capacity), StageBehavior and Settlement (the rest).
 */
import { Context, Duration, Effect, Layer, Schema } from "effect"
import type { RedisError } from "../redis/RedisError.ts"
import * as Topic from "../topic/Topic.ts"
import { Topics } from "../topic/Topic.ts"

const whole = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const day = 86_400_000

/**
 * What is set for one mailbox; what is left out is as the environment or the code has it.
 * - `capacity`: entries over all partitions, from the next submit or tell on
 * - `timeout_ms`: of a stage's attempts begun from now on
 * - `attempts`: an attempt that fails as the last of them is given up; it may be more than the schedule has
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

/** What is to become of a mailbox's policy: null takes a setting back, what is left out stays as it is. */
export const Change = Schema.Struct({
  capacity: Schema.optionalKey(Schema.NullOr(Policy.fields.capacity.schema)),
  timeout_ms: Schema.optionalKey(Schema.NullOr(Policy.fields.timeout_ms.schema)),
  attempts: Schema.optionalKey(Schema.NullOr(Policy.fields.attempts.schema)),
  redrives: Schema.optionalKey(Schema.NullOr(Policy.fields.redrives.schema)),
  redrive_ms: Schema.optionalKey(Schema.NullOr(Policy.fields.redrive_ms.schema))
})
export type Change = typeof Change.Type

const none: Policy = {}
/** How long a change is waited for until this process has heard of it; it holds all the same. */
const hearing = Duration.seconds(2)

/** Each setting is a field of the topic's state: of two who change a mailbox at once neither takes back what the other did. */
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
    // a setting that only newer processes know
    if (setting in Policy.fields) policies.set(mailbox, { ...policies.get(mailbox), [setting]: value })
  }
  return policies
}

export class Policies extends Context.Service<
  Policies,
  {
    /** What is set for a mailbox, as far as this process knows; no I/O. */
    readonly of: (mailbox: string) => Policy
    /** All that is set, by mailbox. */
    readonly all: () => ReadonlyMap<string, Policy>
    /**
     * Changes a mailbox's policy; answers what is set then, once it is in Redis.
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
        // what others changed just before belongs into the answer; where it is late, what is known here does
        yield* mirror.subscription.caughtUp.pipe(Effect.timeoutOption(hearing), Effect.ignore)
        return laidOver(policies.get(mailbox) ?? none, change)
      })
    })
  })
)

/** Code and environment alone: for a program that follows no topic. */
export const fixed: Layer.Layer<Policies> = Layer.succeed(
  Policies,
  Policies.of({
    of: () => none,
    all: () => new Map(),
    change: () => Effect.die(new Error("this process follows no policies; it cannot change one"))
  })
)
