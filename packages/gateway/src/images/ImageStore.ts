/**
 * ImageStore: where uploaded pictures are kept until a scan uses them, and to be shown to their owner as long as it lives. A store
 * has a picture only under its owner; nobody else's request finds it. Whoever keeps one has taken its metadata out.
 * In Redis, or in a storage that speaks S3 (S3Store), where UploadedPictures keeps a mark of each, so that share, owner and expiry
 * are the same in both.
 */
import { UploadedPictures } from "@eco2/core/client"
import type { JobStore, RedisError } from "@eco2/core/client"
import { Context, Effect, Layer, Schema } from "effect"
import type { Scope } from "effect"

/** Whose picture, under which key (ImageAddress.keyOf). */
export interface Place {
  readonly owner: string
  readonly id: UploadedPictures.PictureId
  readonly key: string
}

/** A picture that is there; its bytes are read on demand. */
export interface Found {
  readonly bytes: number
  /** Null: it has gone meanwhile. */
  readonly read: Effect.Effect<Uint8Array | null, StorageFailed | RedisError.RedisError>
}

/** The object storage does not answer, or refuses. Nothing is kept; trying again is safe. */
export class StorageFailed extends Schema.TaggedError<StorageFailed>()("StorageFailed", { reason: Schema.String }) {
  override get message() {
    return `the storage of pictures failed: ${this.reason}`
  }
}

export type KeepError = JobStore.ImagesFull | JobStore.UploadGone | StorageFailed | RedisError.RedisError

export class ImageStore extends Context.Service<
  ImageStore,
  {
    readonly keep: (place: Place, bytes: Uint8Array, contentType: string) => Effect.Effect<void, KeepError>
    /** Null: the owner has no such picture, or no longer. */
    readonly find: (place: Place) => Effect.Effect<Found | null, StorageFailed | RedisError.RedisError, Scope.Scope>
    /** A scan uses it: it stays as long as the scan. */
    readonly use: (place: Place) => Effect.Effect<void, RedisError.RedisError>
  }
>()("@eco2/gateway/images/ImageStore") {}

export const inRedis: Layer.Layer<ImageStore, never, UploadedPictures.UploadedPictures> = Layer.effect(
  ImageStore,
  Effect.map(UploadedPictures.UploadedPictures, (pictures) =>
    ImageStore.of({
      keep: ({ id, owner }, bytes) => pictures.keep(owner, id, bytes),
      find: ({ id, owner }) =>
        Effect.map(pictures.size(owner, id), (size) =>
          // what is elsewhere was kept under another setting
          typeof size === "number" ? { bytes: size, read: pictures.read(owner, id) } : null
        ),
      use: ({ id, owner }) => Effect.asVoid(pictures.use(owner, id))
    })
  )
)
