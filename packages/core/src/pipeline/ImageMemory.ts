/**
 * ImageMemory: room for the images that one process's handlers hold at once, in bytes (IMAGE_MEMORY): the one pool of a
 * process, for images of jobs (JobImages) and for those a handler fetches itself. First come, first served, so that a large
 * image is not passed over for ever. One larger than the whole pool passes alone.
 */
import { Context, Effect, Layer, Metric, Semaphore } from "effect"
import type { Scope } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Metrics from "../telemetry/Metrics.ts"

export class ImageMemory extends Context.Service<
  ImageMemory,
  {
    /** Takes room for so many bytes until the scope closes; waits for it, so it needs a deadline. */
    readonly hold: (bytes: number) => Effect.Effect<void, never, Scope.Scope>
  }
>()("@eco2/core/pipeline/ImageMemory") {}

export const layer: Layer.Layer<ImageMemory, never, CoreConfig> = Layer.effect(
  ImageMemory,
  Effect.gen(function* () {
    const { imageMemory } = yield* CoreConfig
    // a semaphore serves whoever fits; the line in front of it makes that the first to come
    const line = yield* Semaphore.make(1)
    const room = yield* Semaphore.make(imageMemory)
    let held = 0
    let waiting = 0
    const count = (bytes: number) => Effect.suspend(() => Metric.update(Metrics.imageBytes, (held += bytes)))
    const wait = (more: number) => Effect.suspend(() => Metric.update(Metrics.imageWaiting, (waiting += more)))
    return ImageMemory.of({
      hold: (wanted) => {
        const bytes = Math.min(wanted, imageMemory)
        return Effect.acquireUseRelease(
          wait(1),
          () => line.withPermit(room.takeScoped(bytes)),
          () => wait(-1)
        ).pipe(Effect.andThen(Effect.acquireRelease(count(bytes), () => count(-bytes))), Effect.asVoid)
      }
    })
  })
)
