/**
 * ImageMemory: bounds the bytes of images that the handlers of one process hold at once (IMAGE_MEMORY). A process has one pool,
 * for images of jobs (JobImages) and for images that handlers fetch. First come, first served, so that a large image does not
 * starve. An image larger than the whole pool is admitted alone.
 */
import { Context, Effect, Layer, Metric, Semaphore } from "effect"
import type { Scope } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Metrics from "../telemetry/Metrics.ts"

export class ImageMemory extends Context.Service<
  ImageMemory,
  {
    /** Waits for room for this many bytes, and holds it until the scope closes. Give it a deadline. */
    readonly hold: (bytes: number) => Effect.Effect<void, never, Scope.Scope>
  }
>()("@eco2/core/pipeline/ImageMemory") {}

export const layer: Layer.Layer<ImageMemory, never, CoreConfig> = Layer.effect(
  ImageMemory,
  Effect.gen(function* () {
    const { imageMemory } = yield* CoreConfig
    // a semaphore serves any waiter that fits; this second one in front of it keeps the order of arrival
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
