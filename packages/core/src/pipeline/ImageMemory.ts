/**
 * ImageMemory: the pictures that one process's handlers hold at once, bounded in bytes (IMAGE_MEMORY). A handler's `image`
 * waits for room before it is read, and keeps its room until the attempt ends, however it ends.
 * Rules: first come, first served, so that a large picture is not passed over for ever · what is larger than the whole
 * bound passes, alone · asked twice in one attempt it is counted once and read once · waiting can be interrupted, and is
 * inside the stage's timeout, which is also what ends a wait that would not.
 * Counted are the bytes as stored; a copy in base64 or JSON is the handler's own. Used by StageBehavior.
 */
import { Context, Effect, Exit, Layer, Metric, Scope, Semaphore } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import type { JobId } from "../job/Job.ts"
import { JobStore } from "../job/JobStore.ts"

/** What one attempt has of its job's image. */
export interface Attempt {
  /** The bytes, once there is room for them; null when they are gone. */
  readonly image: Effect.Effect<Buffer | null, RedisError>
  /** Gives the room back. */
  readonly end: Effect.Effect<void>
}

export class ImageMemory extends Context.Service<
  ImageMemory,
  {
    /** Costs nothing until the image is asked for; then two round trips, for its size and for its bytes. */
    readonly attempt: (id: JobId) => Attempt
  }
>()("@eco2/core/pipeline/ImageMemory") {}

export const layer: Layer.Layer<ImageMemory, never, JobStore | CoreConfig> = Layer.effect(
  ImageMemory,
  Effect.gen(function* () {
    const store = yield* JobStore
    const { imageMemory } = yield* CoreConfig
    // a semaphore serves whoever fits; the line in front of it makes that the first to come
    const line = yield* Semaphore.make(1)
    const room = yield* Semaphore.make(imageMemory)
    let held = 0
    let waiting = 0
    const hold = (bytes: number) => Effect.suspend(() => Metric.update(Metrics.imageBytes, (held += bytes)))
    const wait = (more: number) => Effect.suspend(() => Metric.update(Metrics.imageWaiting, (waiting += more)))

    /** Takes room for the scope's life. */
    const take = (bytes: number) =>
      Effect.acquireUseRelease(
        wait(1),
        () => line.withPermit(room.takeScoped(bytes)),
        () => wait(-1)
      ).pipe(Effect.andThen(Effect.acquireRelease(hold(bytes), () => hold(-bytes))))
    const load = Effect.fnUntraced(function* (id: JobId) {
      const bytes = yield* store.imageBytes(id)
      if (bytes === 0) return null
      yield* take(Math.min(bytes, imageMemory))
      return yield* store.image(id)
    })

    return ImageMemory.of({
      attempt: (id) => {
        let once: Semaphore.Semaphore | null = null
        let kept: { readonly bytes: Buffer; readonly scope: Scope.Closeable } | null = null
        let over = false
        const ask = Effect.uninterruptibleMask((restore) =>
          Effect.suspend(() => {
            if (kept !== null) return Effect.succeed(kept.bytes)
            const scope = Scope.makeUnsafe()
            return Effect.onExit(restore(Scope.provide(load(id), scope)), (exit) => {
              if (over || Exit.isFailure(exit) || exit.value === null) return Scope.close(scope, Exit.void)
              kept = { bytes: exit.value, scope }
              return Effect.void
            })
          })
        )
        return {
          image: Effect.suspend(() => (once ??= Semaphore.makeUnsafe(1)).withPermit(ask)),
          end: Effect.suspend(() => {
            over = true
            const scope = kept?.scope
            kept = null
            return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
          })
        }
      }
    })
  })
)
