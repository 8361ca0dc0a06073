/**
 * ImageMemory: bounds the bytes of images that the handlers of one process hold at once (IMAGE_MEMORY). A process has one pool,
 * for images of jobs (JobImages) and for images that handlers fetch. First come, first served, so that a large image does not
 * starve. Small images have an eighth of it to themselves, so that they never wait behind large ones. An image larger than the
 * rest is admitted alone.
 */
import { Context, Effect, Exit, Layer, Metric, Scope, Semaphore } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import * as Metrics from "../telemetry/Metrics.ts"

export interface Reserved {
  /** Gives back what the image of so many bytes does not need, but for a sixteenth of what was reserved. */
  readonly keep: (bytes: number) => Effect.Effect<void>
}
const parts = 16

export class ImageMemory extends Context.Service<
  ImageMemory,
  {
    /** Waits for room for this many bytes, and holds it until the scope closes. Give it a deadline. */
    readonly hold: (bytes: number) => Effect.Effect<void, never, Scope.Scope>
    /** The same for an image of which only the most bytes are known yet; `keep` gives back what it does not need. */
    readonly reserve: (most: number) => Effect.Effect<Reserved, never, Scope.Scope>
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
    const counted = (bytes: number) => Effect.acquireRelease(count(bytes), () => count(-bytes))
    return ImageMemory.of({
      reserve: Effect.fnUntraced(function* (most) {
        const { line, room, size } = most <= mostSmall ? small : large
        const bytes = Math.min(most, size)
        const each = Math.max(1, Math.ceil(bytes / parts))
        const whole = yield* Effect.scope
        const taken: Array<Scope.Closeable> = []
        // part by part, while those behind in the line wait: each part can be given back alone
        const take = Effect.whileLoop({
          while: () => taken.length * each < bytes,
          body: () =>
            Effect.flatMap(Scope.fork(whole), (part) => {
              const wanted = Math.min(each, bytes - taken.length * each)
              taken.push(part)
              return Scope.provide(Effect.andThen(room.takeScoped(wanted), counted(wanted)), part)
            }),
          step: () => undefined
        })
        yield* Effect.acquireUseRelease(
          wait(1),
          () => line.withPermit(take),
          () => wait(-1)
        )
        return {
          keep: (kept) =>
            Effect.forEach(taken.splice(Math.ceil(kept / each)), (part) => Scope.close(part, Exit.void), {
              discard: true
            })
        }
      }),
      hold: (wanted) => {
        const { line, room, size } = wanted <= mostSmall ? small : large
        const bytes = Math.min(wanted, size)
        return Effect.acquireUseRelease(
          wait(1),
          () => line.withPermit(room.takeScoped(bytes)),
          () => wait(-1)
        ).pipe(Effect.andThen(counted(bytes)), Effect.asVoid)
      }
    })
  })
)
