/**
 * Policies: what an operator decides while the fleet runs. Settings of a mailbox: capacity, time-out, attempts, automatic
 * redrives; whether it is paused (nothing is taken from it); whether a process is drained (it takes nothing). The code has defaults, the environment overrides them (StageLimits, CoreConfig), and a policy overrides both.
 * A topic carries policies: every process applies a change within a second, and a new process has them before it works.
 * Read by JobStore and Mailbox (capacity), StageBehavior and Settlement (the rest), ActorSystem (pauses and drains).
 */
import { Clock, Context, Duration, Effect, Layer, Schema } from "effect"
import type { Scope } from "effect"
import type { RedisError } from "../redis/RedisError.ts"
import * as Topic from "../topic/Topic.ts"
import { Topics } from "../topic/Topic.ts"
import { Change, Policy, whole } from "./Policy.ts"

export { Change, Policy }

/** Since when, epoch milliseconds; null: no more. */
const Moment = Schema.optionalKey(Schema.NullOr(whole(0, 1e15)))
/** `mailbox`: its name; for a drain the process's token, which no mailbox can have. */
const Changed = Schema.Struct({
  mailbox: Schema.NonEmptyString,
  change: Schema.Struct({ ...Change.fields, paused_since: Moment, draining_since: Moment })
})

const none: Policy = {}
/** How long `change` waits until this process has received its own change; the change is valid in any case. */
const hearing = Duration.seconds(2)

/** Each setting is a field of the topic's state, so two concurrent changes of one mailbox do not undo each other. */
const PolicyTopic = Topic.make("policy", {
  event: Changed,
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

interface Known {
  readonly policies: ReadonlyMap<string, Policy>
  readonly paused: ReadonlyMap<string, number>
  readonly draining: ReadonlyMap<string, number>
}

const knownOf = (state: ReadonlyMap<string, number>): Known => {
  const policies = new Map<string, Policy>()
  const since = { paused_since: new Map<string, number>(), draining_since: new Map<string, number>() }
  for (const [field, value] of state) {
    const [name = "", setting = ""] = field.split(" ")
    if (setting === "paused_since" || setting === "draining_since") since[setting].set(name, value)
    // skip a setting that only newer versions know
    else if (setting in Policy.fields) policies.set(name, { ...policies.get(name), [setting]: value })
  }
  return { policies, paused: since.paused_since, draining: since.draining_since }
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
    /** The paused mailboxes, each since when, epoch milliseconds. Nothing is taken from them; what runs ends. */
    readonly paused: () => ReadonlyMap<string, number>
    /** Pauses or resumes a mailbox for every process. Pausing one that is paused keeps its time. Errors as of `change`. */
    readonly pause: (mailbox: string, isPaused: boolean) => Effect.Effect<void, Topic.PublishError>
    /** The processes that are drained, by token, each since when. */
    readonly draining: () => ReadonlyMap<string, number>
    /** Drains a process, or lets it take work again. Errors as of `change`. */
    readonly drain: (token: string, isDrained: boolean) => Effect.Effect<void, Topic.PublishError>
    /** Calls `listener` after each change that this process hears of, until the scope closes. */
    readonly onChange: (listener: () => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("@eco2/core/policy/Policies") {}

export const layer: Layer.Layer<Policies, RedisError, Topics> = Layer.effect(
  Policies,
  Effect.gen(function* () {
    const topics = yield* Topics
    const listeners = new Set<() => void>()
    let known = knownOf(new Map())
    const mirror = yield* Topic.mirror(PolicyTopic, (state) => {
      known = knownOf(state)
      for (const listener of listeners) listener()
    })
    /** Includes recent changes by others; when they are late, it is what this process knows. */
    const heard = mirror.subscription.caughtUp.pipe(Effect.timeoutOption(hearing), Effect.ignore)
    const publish = (name: string, change: typeof Changed.fields.change.Type) =>
      Effect.andThen(topics.publish(PolicyTopic, { mailbox: name, change }), heard)
    const since = (is: boolean, earlier: number | undefined) =>
      is ? Effect.map(Clock.currentTimeMillis, (now) => earlier ?? now) : Effect.succeed(null)
    return Policies.of({
      of: (mailbox) => known.policies.get(mailbox) ?? none,
      all: () => known.policies,
      change: Effect.fnUntraced(function* (mailbox, change) {
        yield* publish(mailbox, change)
        return laidOver(known.policies.get(mailbox) ?? none, change)
      }),
      paused: () => known.paused,
      pause: Effect.fnUntraced(function* (mailbox, isPaused) {
        yield* publish(mailbox, { paused_since: yield* since(isPaused, known.paused.get(mailbox)) })
      }),
      draining: () => known.draining,
      drain: Effect.fnUntraced(function* (token, isDrained) {
        yield* publish(token, { draining_since: yield* since(isDrained, known.draining.get(token)) })
      }),
      onChange: (listener) =>
        Effect.acquireRelease(
          Effect.sync(() => void listeners.add(listener)),
          () => Effect.sync(() => void listeners.delete(listener))
        )
    })
  })
)

const follows = Effect.die(new Error("this process follows no policies; it cannot change one"))
/** No policies, only code and environment: for a program that follows no topic. */
export const fixed: Layer.Layer<Policies> = Layer.succeed(
  Policies,
  Policies.of({
    of: () => none,
    all: () => new Map(),
    change: () => follows,
    paused: () => new Map(),
    pause: () => follows,
    draining: () => new Map(),
    drain: () => follows,
    onChange: () => Effect.void
  })
)
