/**
 * OwnImages: finds uploaded pictures by the addresses under which clients name them. An address is ours if its name has our seal,
 * whatever its host, or if it is shaped like ours on a host of ours: then nothing else can be meant. Nothing is fetched.
 * For ImageHandlers (to show them) and ScanHandlers (to scan them).
 */
import { ImageMetadata } from "@eco2/actors/protocol"
import type { RedisError } from "@eco2/core/client"
import { RedisClient } from "@eco2/core/redis"
import { Context, Effect, Layer } from "effect"
import type { Scope } from "effect"
import * as ImageRefusal from "../http/ImageRefusal.ts"
import type { Hold, RequestBody } from "../http/RequestBody.ts"
import * as ImageAddress from "./ImageAddress.ts"
import * as ImageSecret from "./ImageSecret.ts"
import { ImageStore } from "./ImageStore.ts"

export interface Picture {
  readonly bytes: Uint8Array
  /** By its first bytes. */
  readonly mimeType: string
}
type Named = NonNullable<ReturnType<typeof ImageAddress.partsOf>>
type Refused = ReturnType<typeof ImageRefusal.of> | Hold

export class OwnImages extends Context.Service<
  OwnImages,
  {
    readonly secret: Effect.Effect<string, RedisError.RedisError>
    /** The user's picture of this name, within the bounds of `bodies`, until the scope closes; null if the user has none. */
    readonly find: (
      bodies: RequestBody,
      user: string,
      named: Named
    ) => Effect.Effect<Picture | null, Refused, Scope.Scope>
    /** The same for a scan, which the picture then outlives. */
    readonly use: (
      bodies: RequestBody,
      user: string,
      named: Named
    ) => Effect.Effect<Picture | null, Refused, Scope.Scope>
    /** What of ours an address names; null for a stranger's. `host`: of the request. */
    readonly named: (
      url: URL,
      host: string | undefined
    ) => Effect.Effect<Named | null, ReturnType<typeof ImageRefusal.of>>
  }
>()("@eco2/gateway/images/OwnImages") {}

/** `publicUrl`: PUBLIC_URL. */
export const layer = (publicUrl: string | null): Layer.Layer<OwnImages, never, ImageStore | RedisClient.RedisClient> =>
  Layer.effect(
    OwnImages,
    Effect.gen(function* () {
      const store = yield* ImageStore
      const secret = yield* ImageSecret.make
      const publicHost = publicUrl === null ? null : new URL(publicUrl).host

      const placeOf = (user: string, { channel, file }: Named) =>
        Effect.map(Effect.mapError(secret, ImageRefusal.of), (signing) => {
          const name = ImageAddress.parse(signing, channel, file)
          return name === null ? null : { owner: user, id: name.id, key: `${channel}/${file}` }
        })
      const find = Effect.fnUntraced(function* (bodies: RequestBody, user: string, named: Named) {
        const place = yield* placeOf(user, named)
        const found = place === null ? null : yield* Effect.mapError(store.find(place), ImageRefusal.of)
        if (place === null || found === null) return null
        yield* bodies.hold(user, found.bytes)
        const bytes = yield* Effect.mapError(found.read, ImageRefusal.of)
        const mimeType = bytes === null ? null : ImageMetadata.typeOf(bytes)
        return bytes === null || mimeType === null ? null : { picture: { bytes, mimeType }, place }
      })
      return OwnImages.of({
        secret,
        find: (bodies, user, named) => Effect.map(find(bodies, user, named), (found) => found?.picture ?? null),
        use: Effect.fnUntraced(function* (bodies, user, named) {
          const found = yield* find(bodies, user, named)
          if (found === null) return null
          yield* Effect.mapError(store.use(found.place), ImageRefusal.of)
          return found.picture
        }),
        named: Effect.fnUntraced(function* (url, host) {
          const parts = ImageAddress.partsOf(url)
          if (parts === null || url.host === host || url.host === publicHost) return parts
          const signing = yield* Effect.mapError(secret, ImageRefusal.of)
          return ImageAddress.parse(signing, parts.channel, parts.file) === null ? null : parts
        })
      })
    })
  )
