/**
 * Policies: what an operator may change of a mailbox while the fleet runs: capacity, time-out, attempts, automatic redrives.
 * The code has the defaults, the environment overrides them (policy/StageLimits, CoreConfig), and what is set here overrides
 * both. Carried by a topic: whatever process reads it next works by the new value, within a second; one that starts late
 * has it before it works. Read by JobStore and Mailbox (capacity), StageBehavior and Settlement (the rest).
 */
import { Context, Effect, Layer, Schema } from "effect"
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

const none: Policy = {}

const PolicyTopic = Topic.make("policy", {
  event: Schema.Struct({ mailbox: Schema.NonEmptyString, policy: Policy }),
  state: {
    value: Policy,
    change: ({ mailbox, policy }) => [
      Object.keys(policy).length === 0 ? Topic.remove(mailbox) : Topic.set(mailbox, policy)
    ]
  }
})

export class Policies extends Context.Service<
  Policies,
  {
    /** What is set for a mailbox, as far as this process knows; no I/O. */
    readonly of: (mailbox: string) => Policy
    /** All that is set, by mailbox. */
    readonly all: () => ReadonlyMap<string, Policy>
    /**
     * Sets a mailbox's policy; an empty one takes back all that was set. Answers once it is in Redis.
     * TopicFull, TopicEventTooLarge, RedisRefused: nothing happened. RedisUnavailable: unknown; setting it again is safe.
     */
    readonly set: (mailbox: string, policy: Policy) => Effect.Effect<void, Topic.PublishError>
  }
>()("@eco2/core/policy/Policies") {}

export const layer: Layer.Layer<Policies, RedisError, Topics> = Layer.effect(
  Policies,
  Effect.gen(function* () {
    const topics = yield* Topics
    const mirror = yield* Topic.mirror(PolicyTopic)
    return Policies.of({
      of: (mailbox) => mirror.state().get(mailbox) ?? none,
      all: mirror.state,
      set: (mailbox, policy) => Effect.asVoid(topics.publish(PolicyTopic, { mailbox, policy }))
    })
  })
)

/** Code and environment alone: for a program that follows no topic. */
export const fixed: Layer.Layer<Policies> = Layer.succeed(
  Policies,
  Policies.of({
    of: () => none,
    all: () => new Map(),
    set: () => Effect.die(new Error("this process follows no policies; it cannot set one"))
  })
)
