/**
 * Pictures: fetches pictures by their address, for providers (GuardedModels). The hosts are strangers', so the work is
 * bounded here, apart from any model's time, limit and breaker:
 *   a fetch     15 seconds in all
 *   at once     32 in a process, of these 16 from one host and 8 for one owner: a user who names slow hosts delays only himself
 *   a place     a fetch waits 2 seconds if its own owner's or host's places are taken, 5 if all are; then PicturesBusy, which
 *               spends no attempt
 *   memory      a picture takes room in ImageMemory before its bytes are read, as many as its head announces (10 MiB if it says
 *               nothing), and keeps what it needs of it until the call is over, beside the images of jobs; a fetch waits 5
 *               seconds for it. A host that does not answer takes none
 * Neither waiting nor fetching counts against the stage's timeout (Attempt).
 */
import { Attempt, ImageMemory, Jitter } from "@eco2/core"
import { GuardedFetch } from "@eco2/core/net"
import { Context, Duration, Effect, Layer, RcMap, Scope, Semaphore } from "effect"
import type { Config } from "effect"
import { ImageHosts } from "./ImageHosts.ts"
import { PicturesBusy } from "./ModelError.ts"
import type { ImageUnusable, PictureUnavailable } from "./ModelError.ts"
import { download } from "./PictureDownload.ts"
import type { Image } from "./VisionModel.ts"

export type Bytes = Extract<Image, { _tag: "Bytes" }>

export interface Wanted {
  /** The provider of the call; named in errors. */
  readonly provider: string
  readonly model: string
  readonly url: string
  /** The owner of the picture; "" for none in particular. */
  readonly owner: string
}

export class Pictures extends Context.Service<
  Pictures,
  {
    /**
     * Runs `work` with the picture, which it must not keep.
     * - ImageUnusable (permanent), PictureUnavailable (retryable), PicturesBusy (retry later): the work was not begun
     */
    readonly use: <A, E, R>(
      wanted: Wanted,
      work: (picture: Bytes) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | ImageUnusable | PictureUnavailable | PicturesBusy, R>
  }
>()("@eco2/actors/model/Pictures") {}

export const mostAtOnce = 32
export const mostOfHost = 16
export const mostOfOwner = 8
const fetchTimeout = Duration.seconds(15)
const ownPatience = Duration.seconds(2)
const patience = Duration.seconds(5)
/** How long a fetch that got no place waits before it retries. */
const awayMillis = 5_000

export const layer: Layer.Layer<Pictures, Config.ConfigError, ImageMemory.ImageMemory> = Layer.effect(
  Pictures,
  Effect.gen(function* () {
    const guarded = yield* GuardedFetch.GuardedFetch
    const hosts = yield* ImageHosts
    const memory = yield* ImageMemory.ImageMemory
    const places = yield* Semaphore.make(mostAtOnce)
    const ofHost = yield* RcMap.make({ lookup: (_host: string) => Semaphore.make(mostOfHost) })
    const ofOwner = yield* RcMap.make({ lookup: (_owner: string) => Semaphore.make(mostOfOwner) })

    const use = <A, E, R>(wanted: Wanted, work: (picture: Bytes) => Effect.Effect<A, E, R>) => {
      const { model, owner, provider, url } = wanted
      const busy = (why: string) =>
        new PicturesBusy({
          provider,
          model,
          message: `the picture was not fetched yet: ${why}`,
          retryAfterMillis: Jitter.millis(awayMillis)
        })
      /** Runs `within` once it has what it needs; the waiting limit ends when `within` begins. */
      const once =
        (
          semaphore: Semaphore.Semaphore,
          needs: { readonly permits: number; readonly wait: Duration.Duration; readonly why: string }
        ) =>
        <B, F, S>(within: Effect.Effect<B, F, S>): Effect.Effect<B, F | PicturesBusy, S> =>
          Effect.suspend(() => {
            let isBegun = false
            const begun = Effect.suspend(() => {
              isBegun = true
              return within
            })
            const tooLong = Effect.suspend(() => (isBegun ? Effect.never : Effect.fail(busy(needs.why))))
            return Effect.raceFirst(
              semaphore.withPermits(needs.permits)(begun),
              Effect.andThen(Effect.sleep(needs.wait), tooLong)
            )
          })
      const own = (map: typeof ofHost, key: string, why: string) => {
        return <B, F>(within: Effect.Effect<B, F>) =>
          Effect.scoped(
            Effect.flatMap(RcMap.get(map, key), (semaphore) =>
              once(semaphore, { permits: 1, wait: ownPatience, why })(within)
            )
          )
      }
      const host = URL.parse(url)?.host ?? ""

      return Effect.acquireUseRelease(
        Scope.make(),
        (kept) => {
          let reserved: ImageMemory.Reserved | null = null
          const room = (bytes: number) =>
            Scope.provide(memory.reserve(bytes), kept).pipe(
              Effect.map((made) => {
                reserved = made
                return true
              }),
              Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed(false) })
            )
          const noRoom = () => busy("there is no room for more pictures")
          const request = { url, timeout: fetchTimeout, hosts, room, noRoom }
          const fetched = download(guarded, { provider, model }, request).pipe(
            Effect.tap((picture) => reserved?.keep(picture.bytes.length) ?? Effect.void),
            once(places, { permits: 1, wait: patience, why: "as many as may be are being fetched" }),
            own(ofHost, host, "its host is busy with others"),
            owner === "" ? (within) => within : own(ofOwner, owner, "others of the same owner are being fetched")
          )
          return Effect.flatMap(
            Effect.flatMap(Attempt, (attempt) => attempt.untimed(fetched)),
            work
          )
        },
        (kept, exit) => Scope.close(kept, exit)
      )
    }
    return Pictures.of({ use })
  })
).pipe(Layer.provide(GuardedFetch.layer))
