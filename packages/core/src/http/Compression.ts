/**
 * Compression: pages and answers of the API leave compressed where the client accepts it (br, gzip). Effect's middleware reads
 * Accept-Encoding, sets Vary and weakens the ETag; what it costs is bounded here:
 *   an answer that never changes (`keep`) is compressed once for each encoding, thoroughly
 *   another one only from 1 KiB to 2 MiB, two at a time in a process; the next one meanwhile goes as it is, nobody waits
 *   streams never: each event would leave alone, for hardly fewer bytes
 * Answers hold no secret beside text of the caller, whose length compression would tell (BREACH): tokens and secrets come in
 * headers. For ErrorBody, which adds it to every API, and Prepared.
 */
import { Effect } from "effect"
import { HttpMiddleware, HttpPlatform, HttpServerResponse } from "effect/http"

const leastBytes = 1_024
const mostBytes = 2 * 1_024 * 1_024
/** Of the four threads that the process has, for names and files too. */
const mostAtOnce = 2
/** For what is compressed once. */
const thorough = { br: 9, gzip: 9 } as const

const isCompressible = (contentType: string): boolean =>
  /^(?:text\/(?:html|css|javascript)|application\/(?:json|javascript)|image\/svg\+xml)\b/i.test(contentType)

type Response = HttpServerResponse.HttpServerResponse
type Algorithm = HttpPlatform.CompressionAlgorithm

/** By the bytes of an answer, their compressed forms: the body and its headers. */
const kept = new WeakMap<Uint8Array, Map<Algorithm, Promise<Response>>>()

/** Bytes that will be answered again and again, unchanged. */
export const keep = (bytes: Uint8Array): void => {
  if (!kept.has(bytes)) kept.set(bytes, new Map())
}

const varyOf = ({ headers }: Response): string => {
  const { vary } = headers
  if (vary === undefined) return "Accept-Encoding"
  return /(?:^|,)\s*(?:\*|accept-encoding)\s*(?:,|$)/i.test(vary) ? vary : `${vary}, Accept-Encoding`
}

const bounded = (compression: HttpPlatform.Compression): HttpPlatform.Compression => {
  let atOnce = 0
  /** Started by the first request and outlives it. */
  const once = (known: Map<Algorithm, Promise<Response>>, response: Response, algorithm: Algorithm) => {
    const before = known.get(algorithm)
    if (before !== undefined) return before
    const level = algorithm === "br" || algorithm === "gzip" ? thorough[algorithm] : undefined
    const bare = HttpServerResponse.setBody(HttpServerResponse.empty(), response.body)
    const made = Effect.runPromise(compression.compressResponse(bare, algorithm, { level }))
    known.set(algorithm, made)
    return made
  }
  return {
    algorithms: compression.algorithms,
    compressResponse: (response, algorithm, options) => {
      const { body } = response
      // another time it may be compressed
      const asItIs = Effect.succeed(HttpServerResponse.setHeader(response, "vary", varyOf(response)))
      if (body._tag !== "Uint8Array") return asItIs
      const known = kept.get(body.body)
      if (known !== undefined) {
        return Effect.map(
          Effect.promise(() => once(known, response, algorithm)),
          (made) => {
            const { etag } = response.headers
            return HttpServerResponse.setHeaders(HttpServerResponse.setBody(response, made.body), {
              ...made.headers,
              vary: varyOf(response),
              ...(etag === undefined || etag.startsWith("W/") ? {} : { etag: `W/${etag}` })
            })
          }
        )
      }
      if (body.contentLength > mostBytes || atOnce >= mostAtOnce) return asItIs
      return Effect.acquireUseRelease(
        Effect.sync(() => void atOnce++),
        // to its end: a thread goes on although its client has left
        () => Effect.uninterruptible(compression.compressResponse(response, algorithm, options)),
        () => Effect.sync(() => void atOnce--)
      )
    }
  }
}

const compressing = HttpMiddleware.compression({
  algorithms: ["br", "gzip"],
  minSize: leastBytes,
  compressible: isCompressible
})

/** A middleware; one for each process, which shares its bound. Handlers of answers that are added before it see the plain answer. */
export const make = Effect.map(HttpPlatform.HttpPlatform, (platform) => {
  const own = { ...platform, compression: bounded(platform.compression) }
  return <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.provideService(compressing(app), HttpPlatform.HttpPlatform, own)
})
