/**
 * TopicDefinition: the declaration of a topic, shared by publisher and followers: the schema of an event, and the changes it
 * makes to the topic's state. Pure. Exported by Topic.
 */
import { Effect, Schema } from "effect"
import * as Definition from "../config/Definition.ts"

/** One change that an event makes to the topic's state. */
export type Change<S> =
  | { readonly _tag: "Set"; readonly field: string; readonly value: S }
  | { readonly _tag: "Remove"; readonly field: string }
  | { readonly _tag: "Clear" }
/** Sets a field; its name is not empty. */
export const set = <S>(field: string, value: S): Change<S> => ({ _tag: "Set", field, value })
export const remove = (field: string): Change<never> => ({ _tag: "Remove", field })
/** Replaces all fields with these. */
export const replace = <S>(entries: Iterable<readonly [field: string, value: S]>): ReadonlyArray<Change<S>> => [
  { _tag: "Clear" },
  ...Array.from(entries, ([field, value]) => set(field, value))
]

/** `S`: a value of the topic's state; `never` when its owner keeps the state elsewhere. */
export interface Topic<A, S = never> {
  readonly name: string
  readonly encode: (event: A) => Effect.Effect<string>
  readonly decode: (text: string) => Effect.Effect<A, Schema.SchemaError>
  readonly encodeValue: (value: S) => Effect.Effect<string>
  readonly decodeValue: (text: string) => Effect.Effect<S, Schema.SchemaError>
  readonly changes: (event: A) => ReadonlyArray<Change<S>>
  readonly history: number
  readonly fields: number
}

/**
 * - `name`: words with dots between
 * - `state`: the schema of a value, and the changes of an event. Left out: the owner keeps the state elsewhere, writes it before
 *   it publishes the event, and followers load their snapshot from there
 * - `history`: about how many events the log keeps, 1 to a million; a follower further behind reloads the state. Default 1,000
 * - `fields`: how many fields the state may have, 1 to a million. Default 10,000
 *
 * Throws InvalidDefinition on any other.
 */
export const make = <A, S = never>(
  name: string,
  options: {
    readonly event: Schema.ConstraintCodec<A, unknown>
    readonly state?: {
      readonly value: Schema.ConstraintCodec<S, unknown>
      readonly change: (event: A) => ReadonlyArray<Change<S>>
    }
    readonly history?: number
    readonly fields?: number
  }
): Topic<A, S> => {
  Definition.words("topic", name)
  const topic = `topic ${JSON.stringify(name)}`
  const many = { min: 1, max: 1_000_000 }
  const codecOf = <B>(schema: Schema.ConstraintCodec<B, unknown>) => {
    const json = Schema.fromJsonString(Schema.toCodecJson(schema))
    const encode = Schema.encodeEffect(json)
    return { encode: (value: B) => Effect.orDie(encode(value)), decode: Schema.decodeEffect(json) }
  }
  const event = codecOf(options.event)
  const value = options.state === undefined ? undefined : codecOf(options.state.value)
  const stateless = Effect.die(new Error(`topic ${name} has no state of its own`))
  return {
    name,
    encode: event.encode,
    decode: event.decode,
    encodeValue: value?.encode ?? (() => stateless),
    decodeValue: value?.decode ?? (() => stateless),
    changes: options.state?.change ?? (() => []),
    history: Definition.integer(topic, "history", options.history ?? 1_000, many),
    fields: Definition.integer(topic, "fields", options.fields ?? 10_000, many)
  }
}
