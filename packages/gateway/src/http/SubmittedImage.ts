/**
 * SubmittedImage: the bytes of a data URL, or of an upload, as a job may keep them: without what the photo tells of its place, its time and its
 * camera (ImageMetadata, I1). They are stripped before they are stored, so neither Redis nor a provider ever has the rest.
 */
import { ImageMetadata } from "@eco2/actors/protocol"
import { Refusal } from "@eco2/core/http"
import { Effect } from "effect"

const mostUnused = 64 * 1024
const noPicture = Refusal.invalid(
  ["body", "image_url"],
  "the data URL has no JPEG, PNG, WebP or GIF",
  "value_error.url"
)

/**
 * The bytes without metadata, in the same memory where little was taken out: the process holds a picture once. Where much was,
 * a copy, so that a small picture does not keep the memory of a large one.
 * - fails with `refusal` (422) if they are no JPEG, PNG, WebP or GIF, whatever type was named: what cannot be read cannot be
 *   stripped
 */
export const withoutMetadata = (
  bytes: Uint8Array,
  refusal: typeof Refusal.invalidField.Type = noPicture
): Effect.Effect<Uint8Array, typeof Refusal.invalidField.Type> =>
  Effect.flatMap(ImageMetadata.strip(bytes), (stripped) =>
    stripped === null
      ? Effect.fail(refusal)
      : Effect.succeed(stripped.bytes.length < bytes.length - mostUnused ? stripped.bytes.slice() : stripped.bytes)
  )
