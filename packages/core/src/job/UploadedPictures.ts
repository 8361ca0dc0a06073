/**
 * UploadedPictures: pictures that users upload before the scans that use them, each under an id of its own in its user's partition.
 *   - a user's pictures and the images of the user's jobs together take at most USER_IMAGE_STORAGE; a picture counts as 64 KiB
 *     at least
 *   - a picture that no scan has used yet is not given up for another; those that were used are, the oldest first
 *   - a picture stays for JOB_DEADLINE and JOB_TTL after its upload and after each scan that uses it, so it outlives that scan
 * Where the bytes are in another storage, a mark stands in their place here, which counts and expires as they would.
 * Neighbours: JobStore (the images of jobs, which share the bound), images.lua (the count).
 */
import { Context, Duration, Effect, Layer, Schema } from "effect"
import { randomBytes, randomUUID } from "node:crypto"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as JobScripts from "./JobScripts.ts"
import { ImagesFull, UploadGone } from "./SubmitError.ts"

/** Of one picture; ids sort by the time they were made. */
export const PictureId = Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{32}$/)), Schema.brand("PictureId"))
export type PictureId = typeof PictureId.Type

/** A new id. `nowMillis`: epoch milliseconds. */
export const makeId = (nowMillis: number): PictureId =>
  PictureId.make(nowMillis.toString(16).padStart(12, "0") + randomBytes(10).toString("hex"))

export class UploadedPictures extends Context.Service<
  UploadedPictures,
  {
    /**
     * Keeps the bytes; those that were kept under this id are replaced. Two round trips.
     * ImagesFull, RedisFull: nothing is kept. UploadGone: Redis lost the bytes on the way; try again.
     */
    readonly keep: (
      owner: string,
      id: PictureId,
      bytes: Uint8Array
    ) => Effect.Effect<void, ImagesFull | UploadGone | RedisError>
    /** Counts a picture whose bytes are kept in another storage. ImagesFull: it is not counted. */
    readonly mark: (
      owner: string,
      id: PictureId,
      bytes: number
    ) => Effect.Effect<void, ImagesFull | UploadGone | RedisError>
    /** The number of its bytes; "elsewhere" for one that is marked; null if the owner has no such picture. */
    readonly size: (owner: string, id: PictureId) => Effect.Effect<number | "elsewhere" | null, RedisError>
    /** Its bytes; null if the owner has no such picture. */
    readonly read: (owner: string, id: PictureId) => Effect.Effect<Buffer | null, RedisError>
    /** A scan uses it. False: the owner has no such picture. */
    readonly use: (owner: string, id: PictureId) => Effect.Effect<boolean, RedisError>
    readonly drop: (owner: string, id: PictureId) => Effect.Effect<void, RedisError>
  }
>()("@eco2/core/job/UploadedPictures") {}

const uploadMillis = 120_000
const markBytes = 1
const decodeLength = decodeReply("STRLEN", Schema.Int)

export const layer: Layer.Layer<UploadedPictures, never, RedisClient | Keyspace | CoreConfig> = Layer.effect(
  UploadedPictures,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const config = yield* CoreConfig
    const deadline = Duration.toMillis(config.jobDeadline)
    const life = deadline + Duration.toMillis(config.jobTtl)
    const countLife = deadline + Math.max(Duration.toMillis(config.jobTtl), Duration.toMillis(config.letterTtl))

    const count = Effect.fnUntraced(function* (owner: string, id: PictureId, upload: string, bytes: number) {
      const [outcome, stored] = yield* redis.run(
        JobScripts.keepPicture,
        [keyspace.of(owner).root],
        [config.clockOffsetMillis, owner, id, upload, bytes, config.userImageStorage, life, countLife]
      )
      if (outcome === "images-full") return yield* new ImagesFull({ owner, bytes: stored })
      if (outcome === "upload-gone") return yield* new UploadGone({ upload })
    })

    return UploadedPictures.of({
      keep: Effect.fnUntraced(function* (owner, id, bytes) {
        const upload = randomUUID()
        const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        yield* redis.send("SET", keyspace.of(owner).upload(upload), buffer, "PX", uploadMillis)
        yield* count(owner, id, upload, bytes.length)
      }),
      mark: (owner, id, bytes) => count(owner, id, "", bytes),
      size: (owner, id) =>
        redis.send("STRLEN", keyspace.of(owner).picture(id)).pipe(
          Effect.flatMap(decodeLength),
          Effect.map((bytes) => (bytes === 0 ? null : bytes === markBytes ? "elsewhere" : bytes))
        ),
      read: (owner, id) => redis.getBuffer(keyspace.of(owner).picture(id)),
      use: (owner, id) =>
        Effect.map(
          redis.run(JobScripts.usePicture, [keyspace.of(owner).root], [config.clockOffsetMillis, owner, id, life]),
          (there) => there === 1
        ),
      drop: (owner, id) => Effect.asVoid(redis.send("DEL", keyspace.of(owner).picture(id)))
    })
  })
)
