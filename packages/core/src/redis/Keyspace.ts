/**
 * Keyspace: the partitions of this installation. It first checks Redis (Suitability) and that its data was written with the same
 * settings. A process with other settings does not start, because it would look for jobs under other keys.
 */
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Keys from "./Keys.ts"
import { decodeReply, RedisClient } from "./RedisClient.ts"
import type { RedisError } from "./RedisError.ts"
import * as Suitability from "./Suitability.ts"

const format = "2"
const decodeStored = decodeReply("HGET", Schema.NullOr(Schema.String))

/** Redis holds data written with other settings. Nothing happened; set the variable as the message says, or use another Redis. */
export class KeyspaceMismatch extends Schema.TaggedError<KeyspaceMismatch>()("KeyspaceMismatch", {
  field: Schema.String,
  ours: Schema.String,
  theirs: Schema.String
}) {
  override get message() {
    return `this Redis holds data with ${this.field}=${this.theirs}, this process is set to ${this.field}=${this.ours}`
  }
}

export class Keyspace extends Context.Service<
  Keyspace,
  {
    readonly partitions: ReadonlyArray<Keys.Partition>
    /** The partition of a job id or a user. */
    readonly of: (text: string) => Keys.Partition
  }
>()("@eco2/core/redis/Keyspace") {
  static readonly layer: Layer.Layer<
    Keyspace,
    RedisError | KeyspaceMismatch | Suitability.RedisUnsuitable,
    RedisClient | CoreConfig
  > = Layer.effect(
    Keyspace,
    Effect.andThen(Suitability.confirm, () => confirm).pipe(
      // a process and its Redis often start together: the process waits a little for Redis
      Effect.retry({
        schedule: Schedule.spaced("500 millis"),
        times: 20,
        while: (error) => error._tag === "RedisUnavailable"
      })
    )
  )
}

const confirm = Effect.gen(function* () {
  const config = yield* CoreConfig
  const redis = yield* RedisClient
  for (const [field, ours] of [
    ["PARTITIONS", String(config.partitions)],
    ["format", format]
  ] as const) {
    const known = redis.send("HGET", Keys.meta, field).pipe(Effect.flatMap(decodeStored))
    // read first: a full Redis refuses the write, and workers must be able to start there
    if ((yield* known) === null) yield* redis.send("HSETNX", Keys.meta, field, ours)
    const theirs = yield* known
    if (theirs !== ours) return yield* new KeyspaceMismatch({ field, ours, theirs: theirs ?? "" })
  }
  const partitions = Keys.partitionTable(config.partitions)
  return Keyspace.of({ partitions, of: (text) => partitions[Keys.partitionOf(text, partitions.length)]! })
})
