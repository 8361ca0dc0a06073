/**
 * ScrubLoop: lets one process of the fleet walk over all jobs every ten minutes (Scrub), slowly: a thousand keys a second. The
 * claim is a key with an expiry, so the walk of a process that dies is begun anew by another.
 */
import { Duration, Effect, Layer } from "effect"
import * as Elapsed from "../clock/Elapsed.ts"
import * as Jitter from "../clock/Jitter.ts"
import { Scrub } from "../job/Scrub.ts"
import type { Walked } from "../job/Scrub.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"

const periodMillis = 600_000
/** How often a long walk renews its claim. */
const renewMillis = 60_000
const pace = Duration.seconds(1)

/** Walks, if no process of the fleet has begun to in the last ten minutes; null: another has. */
export const round: Effect.Effect<Walked | null, RedisError, RedisClient | Scrub> = Effect.gen(function* () {
  const redis = yield* RedisClient
  const scrub = yield* Scrub
  const millis = yield* Elapsed.clock
  if ((yield* redis.send("SET", redis.keys.scrub, "1", "NX", "PX", periodMillis)) !== "OK") return null
  let claimed = millis()
  const pause = Effect.gen(function* () {
    yield* Effect.sleep(pace)
    if (millis() - claimed < renewMillis) return
    claimed = millis()
    yield* redis.send("PEXPIRE", redis.keys.scrub, periodMillis)
  })
  return yield* scrub.walk(pause)
})

const loop = Effect.gen(function* () {
  // not at once: a process that has just started has other things to do
  yield* Effect.sleep(Duration.millis(periodMillis * (0.5 + Math.random() / 2)))
  while (true) {
    yield* round.pipe(
      // begun again by whoever asks first in ten minutes
      Effect.catch((error) =>
        Effect.logDebug("jobs could not be examined").pipe(Effect.annotateLogs({ error: error.message }))
      ),
      Effect.catchDefect((defect) => Effect.logError("jobs could not be examined", defect))
    )
    yield* Effect.sleep(Duration.millis(Jitter.millis(periodMillis)))
  }
})

/** Runs until the scope closes. */
export const layer: Layer.Layer<never, never, RedisClient | Scrub> = Layer.effectDiscard(Effect.forkScoped(loop))
