/**
 * PictureDownload: fetches a picture as bytes, for a provider that takes no addresses. The address comes from a user, so
 * GuardedFetch fetches it, and only from hosts in IMAGE_HOSTS, at every redirect too. The first bytes decide the format; the
 * server's content type is ignored.
 */
import type { GuardedFetch } from "@eco2/core/net"
import { Effect } from "effect"
import type { Duration } from "effect"
import { isListed } from "./ImageHosts.ts"
import { ImageUnusable, PictureUnavailable } from "./ModelError.ts"
import type { Image } from "./VisionModel.ts"

const maxBytes = 10 * 1024 * 1024

/** First bytes, as Latin-1. */
const signatures: ReadonlyArray<readonly [mimeType: string, matches: (head: string) => boolean]> = [
  ["image/jpeg", (head) => head.startsWith("\xff\xd8\xff")],
  ["image/png", (head) => head.startsWith("\x89PNG\r\n\x1a\n")],
  ["image/webp", (head) => head.startsWith("RIFF") && head.startsWith("WEBP", 8)],
  ["image/gif", (head) => head.startsWith("GIF8")]
]

/**
 * The picture, at most 10 MiB, after at most three redirects.
 * - fails with ImageUnusable if a retry cannot help: no public address, a host that is not listed, not found (4xx), too large,
 *   not a picture
 * - fails with PictureUnavailable if its server cannot deliver it now (5xx, 408, 425, 429, no response in time)
 */
export const download = Effect.fnUntraced(function* (
  guarded: GuardedFetch.GuardedFetch["Service"],
  call: { readonly provider: string; readonly model: string },
  request: { readonly url: string; readonly timeout: Duration.Input; readonly hosts: ReadonlyArray<string> }
): Effect.fn.Return<Extract<Image, { _tag: "Bytes" }>, ImageUnusable | PictureUnavailable> {
  const unusable = (why: string) => new ImageUnusable({ ...call, message: `the picture at its address ${why}` })
  const later = (why: string) => new PictureUnavailable({ ...call, message: `the picture at its address ${why}` })
  const { hosts, timeout, url } = request
  const { body, status } = yield* guarded
    .get({
      url,
      timeout,
      maxBytes,
      mayAsk: (host) => isListed(host, hosts),
      headers: { accept: "image/jpeg,image/png,image/webp" },
      wanted: (head) => head.status >= 200 && head.status < 300
    })
    .pipe(
      Effect.catchTags({
        FetchRefused: ({ reason }) => Effect.fail(unusable(`is not fetched (${reason})`)),
        FetchTooLarge: () => Effect.fail(unusable("has more than 10 MiB")),
        FetchTimeout: () => Effect.fail(later("did not come in time")),
        FetchFailed: ({ code }) =>
          Effect.fail(code === "ENOTFOUND" ? unusable("has no such host") : later(`did not come (${code})`))
      })
    )
  if (status >= 500 || status === 408 || status === 425 || status === 429) return yield* later(`has HTTP ${status}`)
  if (status < 200 || status >= 300) return yield* unusable(`has HTTP ${status}`)
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const head = bytes.toString("latin1", 0, 16)
  const mimeType = signatures.find(([, matches]) => matches(head))?.[0]
  return mimeType === undefined ? yield* unusable("is no picture") : { _tag: "Bytes", mimeType, bytes }
})
