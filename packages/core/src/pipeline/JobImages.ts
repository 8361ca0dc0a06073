/**
 * JobImages: the images of jobs as handlers get them: read from Redis when a handler first asks, into room of ImageMemory,
 * which is given back when the attempt ends, however it ends. An image asked for twice in one attempt is read and counted
 * once. Waiting can be interrupted, and is inside the stage's timeout, which ends a wait that would not. Counted are the bytes
 * as stored; a copy in base64 or JSON is the handler's own. Used by StageBehavior.
 */
import { Context, Effect, Exit, Layer, Scope, Semaphore } from "effect"
import type { JobId } from "../job/Job.ts"
import { JobStore } from "../job/JobStore.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { ImageMemory } from "./ImageMemory.ts"

/** What one attempt has of its job's image. */
export interface AttemptImage {
  /** The bytes, once there is room for them; null when they are gone. */
  readonly image: Effect.Effect<Buffer | null, RedisError>
  /** Gives the room back. */
  readonly end: Effect.Effect<void>
}

export class JobImages extends Context.Service<
  JobImages,
  {
    /** Costs nothing until the image is asked for; then two round trips, for its size and for its bytes. */
    readonly attempt: (id: JobId) => AttemptImage
  }
>()("@eco2/core/pipeline/JobImages") {}

export const layer: Layer.Layer<JobImages, never, JobStore | ImageMemory> = Layer.effect(
  JobImages,
  Effect.gen(function* () {
    const store = yield* JobStore
    const memory = yield* ImageMemory
    const load = Effect.fnUntraced(function* (id: JobId) {
      const bytes = yield* store.imageBytes(id)
      if (bytes === 0) return null
      yield* memory.hold(bytes)
      return yield* store.image(id)
    })

    return JobImages.of({
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
