/**
 * PictureDownload: fetches a picture as bytes, for a provider. The address comes from a user, so
 * GuardedFetch fetches it, and only from hosts in IMAGE_HOSTS, at every redirect too. The first bytes decide the format; the
 * server's content type is ignored. What goes to a provider has no metadata (ImageMetadata, I1).
 */
import type { GuardedFetch } from "@eco2/core/net"
import { Effect } from "effect"
import type { Duration } from "effect"
import * as ImageMetadata from "../image/ImageMetadata.ts"
import { isListed } from "./ImageHosts.ts"
import { ImageUnusable, PictureUnavailable } from "./ModelError.ts"
import type { PicturesBusy } from "./ModelError.ts"
import type { Image } from "./VisionModel.ts"

const maxBytes = 10 * 1024 * 1024

/**
 * The picture without metadata, at most 10 MiB, after at most three redirects.
 * - fails with ImageUnusable if a retry cannot help: no public address, a host that is not listed, not found (4xx), too large,
 *   not a picture
 * - fails with what `noRoom` makes if `room` has none
 * - fails with PictureUnavailable if its server cannot deliver it now (5xx, 408, 425, 429, no response in time)
 */
export const download = Effect.fnUntraced(function* (
  guarded: GuardedFetch.GuardedFetch["Service"],
  call: { readonly provider: string; readonly model: string },
  request: {
    readonly url: string
    readonly timeout: Duration.Input
    readonly hosts: ReadonlyArray<string>
    /** Makes room for so many bytes before they are read; false: there is none. */
    readonly room: (bytes: number) => Effect.Effect<boolean>
    readonly noRoom: () => PicturesBusy
  }
): Effect.fn.Return<Extract<Image, { _tag: "Bytes" }>, ImageUnusable | PictureUnavailable | PicturesBusy> {
  const unusable = (why: string) => new ImageUnusable({ ...call, message: `the picture at its address ${why}` })
  const later = (why: string) => new PictureUnavailable({ ...call, message: `the picture at its address ${why}` })
  const { hosts, noRoom, room, timeout, url } = request
  const { body, status } = yield* guarded
    .get({
      url,
      timeout,
      maxBytes,
      room,
      mayAsk: (host) => isListed(host, hosts),
      headers: { accept: "image/jpeg,image/png,image/webp" },
      wanted: (head) => head.status >= 200 && head.status < 300
    })
    .pipe(
      Effect.catchTags({
        FetchRefused: ({ reason }): Effect.Effect<never, ImageUnusable | PicturesBusy> =>
          Effect.fail(reason === "room" ? noRoom() : unusable(`is not fetched (${reason})`)),
        FetchTooLarge: () => Effect.fail(unusable("has more than 10 MiB")),
        FetchTimeout: () => Effect.fail(later("did not come in time")),
        FetchFailed: ({ code }) =>
          Effect.fail(code === "ENOTFOUND" ? unusable("has no such host") : later(`did not come (${code})`))
      })
    )
  if (status >= 500 || status === 408 || status === 425 || status === 429) return yield* later(`has HTTP ${status}`)
  if (status < 200 || status >= 300) return yield* unusable(`has HTTP ${status}`)
  const picture = yield* ImageMetadata.strip(body)
  if (picture === null) return yield* unusable("is no picture")
  const { bytes, mimeType } = picture
  // a copy does not hold what was taken out, which the caller cannot count
  return { _tag: "Bytes", mimeType, bytes: bytes.length === body.length ? bytes : Uint8Array.from(bytes) }
})
