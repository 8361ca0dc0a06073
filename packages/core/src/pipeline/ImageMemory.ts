/**
 * ImageMemory: bounds the bytes of images that the handlers of one process hold at once (IMAGE_MEMORY). A process has one pool,
 * for images of jobs (JobImages) and for images that handlers fetch. First come, first served, so that a large image does not
 * starve. Small images have an eighth of it to themselves, so that they never wait behind large ones. An image larger than the
 * rest is admitted alone.
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
    const part = Effect.fnUntraced(function* (size: number) {
      // a semaphore serves any waiter that fits; this second one in front of it keeps the order of arrival
      return { size, line: yield* Semaphore.make(1), room: yield* Semaphore.make(size) }
    })
    const small = yield* part(Math.floor(imageMemory / 8))
    const large = yield* part(imageMemory - small.size)
    const mostSmall = imageMemory / 256
    let held = 0
    let waiting = 0
    const count = (bytes: number) => Effect.suspend(() => Metric.update(Metrics.imageBytes, (held += bytes)))
    const wait = (more: number) => Effect.suspend(() => Metric.update(Metrics.imageWaiting, (waiting += more)))
    return ImageMemory.of({
      hold: (wanted) => {
        const { line, room, size } = wanted <= mostSmall ? small : large
        const bytes = Math.min(wanted, size)
        return Effect.acquireUseRelease(
          wait(1),
          () => line.withPermit(room.takeScoped(bytes)),
          () => wait(-1)
        ).pipe(Effect.andThen(Effect.acquireRelease(count(bytes), () => count(-bytes))), Effect.asVoid)
      }
    })
  })
)
