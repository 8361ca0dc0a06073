/**
 * JobImages: gives handlers the images of their jobs. An image is read from Redis when a handler first uses it, within the
 * bounds of ImageMemory; its memory is released when the attempt ends, however it ends. Within one attempt it is read and
 * counted once. A wait for memory counts against the stage's time-out and can be interrupted. The bytes as stored are counted,
 * not a handler's copy in base64 or JSON. Used by StageAttempt.
 */
import { Context, Effect, Exit, Layer, Scope, Semaphore } from "effect"
import type { JobId } from "../job/Job.ts"
import { JobStore } from "../job/JobStore.ts"
import type { RedisError } from "../redis/RedisError.ts"
import { ImageMemory } from "./ImageMemory.ts"

/** The image of one attempt's job. */
export interface AttemptImage {
  /** The bytes, once there is memory for them; null when the image is deleted. */
  readonly image: Effect.Effect<Buffer | null, RedisError>
  /** Releases the memory. */
  readonly end: Effect.Effect<void>
}

export class JobImages extends Context.Service<
  JobImages,
  {
    /** Costs nothing until the image is used; then two round trips, for its size and its bytes. */
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
