/**
 * Keyspace: the partitions of this installation. It first checks Redis (Suitability) and that the data under its prefix was
 * written with the same settings, by the same installation. A process with other settings does not start: it would look for
 * jobs under other keys, or do another installation's work.
 * The data has an id, in `{fleet}:meta`. A Redis that lost its data (flushed, restarted empty, an empty replica promoted) has
 * another id or none: then `{fleet}:meta` is written again, and whoever registered with `onLoss` learns it. Workers confirm the
 * id with every beat (Heartbeat), other processes by DataGuard.
 */
import { Context, Effect, Layer, Metric, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import { dataLosses } from "../telemetry/Metrics.ts"
import * as DataId from "./DataId.ts"
import * as Keys from "./Keys.ts"
import { RedisClient } from "./RedisClient.ts"
import { isLogin, isRedisError, isTransient } from "./RedisError.ts"
import type { RedisError } from "./RedisError.ts"
import * as Script from "./Script.ts"
import * as Suitability from "./Suitability.ts"

/** The format of the data that this version writes and reads. */
export const format = "2"

/** Prelude of the scripts that confirm `{fleet}:meta`. */
export const metaPrelude = new URL("./scripts/meta.lua", import.meta.url)

/** What the data in Redis was written with, the id of the data, and whose it is ("": nobody has claimed it). */
export const Meta = Schema.Tuple([Schema.String, Schema.String, Schema.String, Schema.String])
export type Meta = typeof Meta.Type

/** The words that the scripts confirm `{fleet}:meta` with. */
export const metaWords = ({ installation, partitions }: CoreConfig["Service"]): ReadonlyArray<string> => [
  String(partitions),
  format,
  DataId.make(Date.now()),
  installation
]

const keyspaceScript = Script.make({
  file: new URL("./scripts/keyspace.lua", import.meta.url),
  preludes: [metaPrelude],
  numberOfKeys: 1,
  reply: Meta
})

/** The data under the prefix was written with other settings. Nothing happened; set what the message says, or another KEY_PREFIX. */
export class KeyspaceMismatch extends Schema.TaggedError<KeyspaceMismatch>()("KeyspaceMismatch", {
  prefix: Schema.String,
  field: Schema.String,
  ours: Schema.String,
  theirs: Schema.String
}) {
  override get message() {
    return `this Redis holds data under ${this.prefix} with ${this.field}=${this.theirs}, this process is set to ${this.field}=${this.ours}; another installation needs a KEY_PREFIX of its own`
  }
}

export class Keyspace extends Context.Service<
  Keyspace,
  {
    readonly partitions: ReadonlyArray<Keys.Partition>
    /** The partition of a job id or a user. */
    readonly of: (text: string) => Keys.Partition
    /** Asks Redis for `{fleet}:meta`, writes it where it is missing, and compares it as `heard` does. One round trip. */
    readonly confirm: Effect.Effect<void, RedisError>
    /** Compares what Redis said with what it said before: another id of the data is a loss, which is logged and counted once. */
    readonly heard: (meta: Meta) => Effect.Effect<void>
    /** Runs `listener` after every loss of data, until the scope closes. */
    readonly onLoss: (listener: () => void) => Effect.Effect<void, never, Scope.Scope>
    /** Null while Redis's data was written with our settings; after a loss another process may have written others. */
    readonly trouble: () => string | null
  }
>()("@eco2/core/redis/Keyspace") {
  static readonly layer: Layer.Layer<
    Keyspace,
    RedisError | KeyspaceMismatch | Suitability.RedisUnsuitable,
    RedisClient | CoreConfig
  > = Layer.effect(
    Keyspace,
    Effect.andThen(Suitability.confirm, () => make).pipe(
      // a process and its Redis often start together: the process waits a little for Redis
      Effect.retry({
        schedule: Schedule.spaced("500 millis"),
        times: 20,
        while: (error) => isRedisError(error) && isTransient(error) && !isLogin(error)
      })
    )
  )
}

const make = Effect.gen(function* () {
  const config = yield* CoreConfig
  const redis = yield* RedisClient
  const ask = Effect.suspend(() => redis.run(keyspaceScript, [redis.keys.meta], metaWords(config)))
  const mismatch = ([partitions, form, , owner]: Meta): KeyspaceMismatch | null => {
    for (const [field, ours, theirs] of [
      ["PARTITIONS", String(config.partitions), partitions],
      ["format", format, form],
      ["INSTALLATION", config.installation, owner]
    ] as const) {
      if (theirs !== ours) return new KeyspaceMismatch({ prefix: redis.keys.prefix, field, ours, theirs })
    }
    return null
  }
  const first = yield* ask
  const wrong = mismatch(first)
  if (wrong !== null) return yield* wrong

  const partitions = redis.keys.partitions(config.partitions)
  const listeners = new Set<() => void>()
  let data = first[2]
  let trouble: string | null = null
  const heard = (meta: Meta): Effect.Effect<void> =>
    Effect.suspend(() => {
      const [, , id] = meta
      if (id === data) return Effect.void
      const before = data
      data = id
      trouble = mismatch(meta)?.message ?? null
      return Effect.logError("redis has lost its data").pipe(
        Effect.annotateLogs({ data_before: before, data_now: id, ...(trouble === null ? {} : { error: trouble }) }),
        Effect.andThen(Metric.update(dataLosses, 1)),
        Effect.andThen(
          Effect.sync(() => {
            for (const listener of listeners) listener()
          })
        )
      )
    })
  return Keyspace.of({
    partitions,
    of: (text) => partitions[Keys.partitionOf(text, partitions.length)]!,
    confirm: Effect.flatMap(ask, heard),
    heard,
    onLoss: (listener) =>
      Effect.acquireRelease(
        Effect.sync(() => void listeners.add(listener)),
        () => Effect.sync(() => void listeners.delete(listener))
      ),
    trouble: () => trouble
  })
})
