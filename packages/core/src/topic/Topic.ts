/**
 * Topic: broadcast to every process, with a snapshot for late followers. One script appends an event to the topic's log and
 * applies its changes to the topic's state; a follower loads the state and then applies every later event.
 *   - no gap: events are numbered, the state has the number of its last event, and a follower that misses one reloads the state
 *   - each process has its own cursor; after an outage it catches up from the log, or from the state if the log was trimmed
 *   - bounded: the log in events, the state in fields
 * For state that many processes hold in memory (catalogues, policies, revocations); work belongs in a mailbox.
 * Neighbours: TopicTail (one connection reads all topics of a process), TopicFollower (one follower).
 */
import { Context, Effect, Layer, Schema } from "effect"
import type { Scope } from "effect"
import { randomUUID } from "node:crypto"
import * as Supervisor from "../supervision/Supervisor.ts"
import * as PayloadLimit from "../redis/PayloadLimit.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import type { Change, Topic } from "./TopicDefinition.ts"
import * as TopicFollower from "./TopicFollower.ts"
import * as TopicTail from "./TopicTail.ts"

export { make, remove, replace, set } from "./TopicDefinition.ts"
export type { Change, Topic } from "./TopicDefinition.ts"

/** The event would give the topic's state more fields than it may have. Nothing was published. */
export class TopicFull extends Schema.TaggedError<TopicFull>()("TopicFull", {
  topic: Schema.String,
  fields: Schema.Int,
  most: Schema.Int
}) {
  override get message() {
    return `topic ${this.topic} would have ${this.fields} fields, allowed are ${this.most}`
  }
}

/** The event and its changes have more bytes than allowed. Nothing was published. */
export class TopicEventTooLarge extends Schema.TaggedError<TopicEventTooLarge>()("TopicEventTooLarge", {
  topic: Schema.String,
  bytes: Schema.Int,
  most: Schema.Int
}) {
  override get message() {
    return `an event of topic ${this.topic} has ${this.bytes} bytes with its changes, allowed are ${this.most}`
  }
}

export type PublishError = TopicFull | TopicEventTooLarge | RedisError

export type Handlers<A, S, E = never, R = never> = TopicFollower.Handlers<A, S, E, R>
export type Subscription = TopicFollower.Subscription

export class Topics extends Context.Service<
  Topics,
  {
    readonly publish: <A, S>(topic: Topic<A, S>, event: NoInfer<A>) => Effect.Effect<string, PublishError>
    readonly follow: <A, S, E, R>(
      topic: Topic<A, S>,
      handlers: Handlers<A, S, E, R>
    ) => Effect.Effect<Subscription, RedisError | E, R | Scope.Scope>
    /** Milliseconds since the last answer to the read of all topics; at most 20,000 while all is well. 0: nothing is followed. */
    readonly silentMillis: () => number
    /** Of the reader and all followers. */
    readonly supervision: Supervisor.Supervision
  }
>()("@eco2/core/topic/Topics") {}

/**
 * Publishes an event and its changes; returns the log's entry id once Redis has both. One round trip. Works when Redis is full.
 * TopicFull, TopicEventTooLarge, RedisRefused: nothing happened. RedisUnavailable: unknown; publishing again may deliver the
 * event twice.
 */
export const publish = <A, S>(topic: Topic<A, S>, event: NoInfer<A>): Effect.Effect<string, PublishError, Topics> =>
  Topics.use((topics) => topics.publish(topic, event))

/**
 * Follows a topic until the scope closes. Returns when the first snapshot is applied, so that a service built on it starts with
 * current state. Then applies every event in order; reloads the snapshot when events were missed or unreadable. Fails when the
 * first snapshot cannot be loaded; later loads are retried.
 */
export const follow = <A, S, E = never, R = never>(
  topic: Topic<A, S>,
  handlers: Handlers<A, S, E, R>
): Effect.Effect<Subscription, RedisError | E, R | Topics | Scope.Scope> =>
  Topics.use((topics) => topics.follow(topic, handlers))

/** A topic's state in this process's memory. */
export interface Mirror<S> {
  readonly state: () => ReadonlyMap<string, S>
  readonly subscription: Subscription
}

/** Follows a topic and keeps its state in memory. `changed` is called after each snapshot and event. */
export const mirror = Effect.fnUntraced(function* <A, S>(
  topic: Topic<A, S>,
  changed: (state: ReadonlyMap<string, S>) => void = () => undefined
): Effect.fn.Return<Mirror<S>, RedisError, Topics | Scope.Scope> {
  let state = new Map<string, S>()
  const subscription = yield* follow(topic, {
    snapshot: (all) =>
      Effect.sync(() => {
        state = new Map(all)
        changed(state)
      }),
    event: (event) =>
      Effect.sync(() => {
        for (const change of topic.changes(event)) {
          if (change._tag === "Clear") state.clear()
          else if (change._tag === "Set") state.set(change.field, change.value)
          else state.delete(change.field)
        }
        changed(state)
      })
  })
  return { state: () => state, subscription }
})

const publishScript = Script.make({
  file: new URL("./scripts/publish.lua", import.meta.url),
  numberOfKeys: 3,
  reply: Schema.Tuple([Schema.Literals(["published", "full"]), Schema.String])
})
/** How long a publish is remembered; the driver resends a command for ten seconds at most. */
const rememberMillis = 60_000

const changeWords = <A, S>(topic: Topic<A, S>, change: Change<S>): Effect.Effect<ReadonlyArray<string>> => {
  if (change._tag === "Clear") return Effect.succeed(["clear"])
  if (change.field === "") return Effect.die(new Error(`topic ${topic.name}: a field must have a name`))
  return change._tag === "Remove"
    ? Effect.succeed(["remove", change.field])
    : Effect.map(topic.encodeValue(change.value), (value) => ["set", change.field, value])
}

export const layer: Layer.Layer<Topics, never, RedisClient> = Layer.effect(
  Topics,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const supervisor = Supervisor.make()
    const tail = yield* TopicTail.make(supervisor)
    return Topics.of({
      publish: Effect.fnUntraced(function* (topic, event) {
        const text = yield* topic.encode(event)
        const words = (yield* Effect.forEach(topic.changes(event), (change) => changeWords(topic, change))).flat()
        const bytes = words.reduce((sum, word) => sum + Buffer.byteLength(word), Buffer.byteLength(text))
        const most = PayloadLimit.mostBytes
        if (bytes > most) return yield* new TopicEventTooLarge({ topic: topic.name, bytes, most })
        const { log, sent, state } = redis.keys.topic(topic.name)
        const [outcome, detail] = yield* redis.run(
          publishScript,
          [log, state, sent(randomUUID())],
          [topic.history, topic.fields, rememberMillis, text, ...words]
        )
        return outcome === "full"
          ? yield* new TopicFull({ topic: topic.name, fields: Number(detail), most: topic.fields })
          : detail
      }),
      follow: (topic, handlers) =>
        TopicFollower.make({ topic, handlers, tail, supervisor }).pipe(Effect.provideService(RedisClient, redis)),
      silentMillis: tail.silentMillis,
      supervision: supervisor
    })
  })
)
