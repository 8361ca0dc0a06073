/**
 * FeedDocument: the feed in the bytes of a response: its charset, and which of the two forms it has. In pieces, for Slices.
 */
import * as Charset from "../domain/Charset.ts"
import type { Work } from "../Slices.ts"
import type { Feed, NoFeed } from "./Feed.ts"
import * as JsonFeed from "./JsonFeed.ts"
import * as XmlFeed from "./XmlFeed.ts"

const pieceBytes = 32_768

function* textOf(bytes: Uint8Array, contentType: string | null): Generator<string> {
  const { decode } = Charset.decoderOf(bytes, contentType)
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield decode(bytes.subarray(at, at + pieceBytes), at + pieceBytes >= bytes.length)
  }
}

/** The feed, or why there is none. `contentType`: the response's header; `url`: where it came from. */
export function* parse(bytes: Uint8Array, contentType: string | null, url: string): Work<Feed | NoFeed> {
  const texts = textOf(bytes, contentType)
  const first = texts.next().value ?? ""
  if (!/^\s*\{/.test(first)) {
    return yield* XmlFeed.parse(
      (function* () {
        yield first
        yield* texts
      })(),
      url
    )
  }
  let json = first
  for (const text of texts) {
    json += text
    yield
  }
  return yield* JsonFeed.parse(json, url)
}
