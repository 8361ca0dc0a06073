/**
 * Timers: durable timers. Each partition has a sorted set of retries, deadlines and delayed messages; any process serves those
 * that are due, each once (promote.lua). No fiber sleeps for a job.
 */
import { Context, Duration, Effect, Layer, Schema } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import type { Partition } from "../redis/Keys.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { keepsLedger } from "../job/CallLedger.ts"
import * as Script from "../redis/Script.ts"

export interface Promoted {
  readonly served: number
  /** Milliseconds until the partition's next timer; 0: more are due now; null: none. */
  readonly nextMillis: number | null
  /** Jobs that this call failed at their deadline, by their current stage. */
  readonly expired: ReadonlyArray<Expired>
  /** Paid calls that this call made uncertain: their bills never came. `call`: the facts as CallLedger stores them. */
  readonly doubted: ReadonlyArray<{ readonly jobId: string; readonly call: string }>
}
export interface Expired {
  readonly pipeline: string
  /** The mailbox of the stage; its dead letters have the letters. */
  readonly mailbox: string
  readonly jobs: number
  /** Dead letters written for them; the other jobs had one because they were parked before. */
  readonly letters: number
}
/** Cause in the error and the dead letter of such a job. */
export const deadlineCause = "DEADLINE_EXCEEDED"

export class Timers extends Context.Service<
  Timers,
  {
    /** Serves up to 200 due timers of one partition and drops expired dead letters. One round trip. */
    readonly promote: (partition: Partition, mailboxes: ReadonlyArray<string>) => Effect.Effect<Promoted, RedisError>
  }
>()("@eco2/core/worker/Timers") {}

const promoteScript = Script.make({
  file: new URL("./scripts/promote.lua", import.meta.url),
  preludes: keepsLedger,
  numberOfKeys: "root",
  reply: Schema.Tuple([
    Schema.Number,
    Schema.Number,
    Schema.Array(Schema.Tuple([Schema.String, Schema.String, Schema.Number, Schema.Number])),
    Schema.Array(Schema.Tuple([Schema.String, Schema.String]))
  ])
})
const batch = 200

export const layer: Layer.Layer<Timers, never, RedisClient | CoreConfig> = Layer.effect(
  Timers,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const config = yield* CoreConfig
    return Timers.of({
      promote: Effect.fnUntraced(function* (partition, mailboxes) {
        const [served, next, expired, doubted] = yield* redis.run(
          promoteScript,
          [partition.root],
          [
            config.clockOffsetMillis,
            batch,
            Duration.toMillis(config.jobTtl),
            Duration.toMillis(config.letterTtl),
            config.userConcurrency,
            ...mailboxes
          ]
        )
        return {
          served,
          nextMillis: next < 0 ? null : next,
          expired: expired.map(([pipeline, mailbox, jobs, letters]) => ({ pipeline, mailbox, jobs, letters })),
          doubted: doubted.map(([jobId, call]) => ({ jobId, call }))
        }
      })
    })
  })
)
