/**
 * Transport: the `fetch` of the providers' client libraries. One call is one request: nothing is sent twice, whatever happens to
 * the connection, because a model call whose answer was lost may have been billed; no redirect is followed, because it would
 * send the photo and the key elsewhere.
 * On node:http, which is the same in Node and Deno: Deno's own fetch sends a request again whose connection ends without a
 * response, and hides the cause; undici never notices there that a body was cut off. In Node connections are kept open between
 * calls, for the whole process.
 * Deadlines are the callers' (`signal`), but for the connection, which has ten seconds. Neighbour: GuardedFetch in core, for
 * addresses that strangers name.
 */
import { Agent as HttpAgent, request as httpRequest } from "node:http"
import type { IncomingMessage } from "node:http"
import { Agent as HttpsAgent, request as httpsRequest } from "node:https"
import { finished, pipeline } from "node:stream"
import type { Readable } from "node:stream"
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib"

/** For the rest of a response that nobody reads on. */
const restWithinMillis = 1_000
const connectWithinMillis = 10_000
/** No answer is as long; the sum is counted after decompression. */
const maxBytes = 16 * 1024 * 1024
/**
 * Providers close idle connections after some seconds or minutes; a request that meets the close is lost. Deno's node:http sends
 * a request again whose connection was used before and ends without a response, so there each call has a connection of its own.
 */
const options =
  process.versions.deno === undefined ? { keepAlive: true, timeout: 4_000, maxFreeSockets: 64 } : { keepAlive: false }
const agents = { http: new HttpAgent(options), https: new HttpsAgent(options) }

const coded = (message: string, code: string) => Object.assign(new Error(message), { code })

/** As `fetch`; takes a text or bytes as body. Rejects with the connection's own error, which has its code. */
export const fetch: typeof globalThis.fetch = (input, init) =>
  new Promise((resolve, reject) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const { body, headers, method, signal } = init ?? {}
    if (signal?.aborted === true) return reject(signal.reason)
    const bytes = typeof body === "string" ? Buffer.from(body) : body instanceof Uint8Array ? body : null
    if (bytes === null && body !== undefined && body !== null) return reject(new TypeError("a body is a text or bytes"))
    const isSecure = url.protocol === "https:"
    const client = (isSecure ? httpsRequest : httpRequest)(url, {
      method: method ?? "GET",
      headers: {
        ...Object.fromEntries(new Headers(headers)),
        "accept-encoding": "gzip, deflate, br",
        ...(bytes === null ? {} : { "content-length": bytes.byteLength })
      },
      agent: isSecure ? agents.https : agents.http
    })
    const connecting = setTimeout(
      () => client.destroy(coded(`no connection within ${connectWithinMillis} ms`, "CONNECT_TIMEOUT")),
      connectWithinMillis
    )
    const reasonOf = (cause: Error): Error =>
      signal?.aborted === true && signal.reason instanceof Error ? signal.reason : cause
    const abort = () => client.destroy(reasonOf(new Error("aborted")))
    signal?.addEventListener("abort", abort, { once: true })
    const ended = () => {
      clearTimeout(connecting)
      signal?.removeEventListener("abort", abort)
    }
    client.once("socket", (socket) => {
      if (!socket.connecting) clearTimeout(connecting)
      else socket.once(isSecure ? "secureConnect" : "connect", () => clearTimeout(connecting))
    })
    // on, not once: a second error without a listener would end the process
    client.on("error", (cause) => {
      ended()
      reject(cause)
    })
    client.once("close", () => {
      ended()
      // no more than the first of these counts
      reject(coded("the connection was closed without a response", "ECONNRESET"))
    })
    client.once("response", (message) => {
      // an exception in an event handler would end the process
      try {
        resolve(responseOf(message, () => client.destroy(), reasonOf))
      } catch (cause) {
        client.destroy()
        reject(cause)
      }
    })
    client.end(bytes ?? undefined)
  })

const decoders = new Map(
  Object.entries({ gzip: createGunzip, "x-gzip": createGunzip, deflate: createInflate, br: createBrotliDecompress })
)

const responseOf = (message: IncomingMessage, cancel: () => void, reasonOf: (cause: Error) => Error): Response => {
  const headers = new Headers()
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  const status = message.statusCode ?? 0
  const hasBody = status !== 204 && status !== 205 && status !== 304
  if (!hasBody) message.resume()
  return new Response(hasBody ? bodyOf(message, cancel, reasonOf) : null, { status, headers })
}

const bodyOf = (
  message: IncomingMessage,
  cancel: () => void,
  reasonOf: (cause: Error) => Error
): ReadableStream<Uint8Array> => {
  const decoder = decoders.get((message.headers["content-encoding"] ?? "").trim().toLowerCase())?.()
  const plain: Readable = decoder ?? message
  let size = 0
  // also when its reader has cancelled: a stream that is closed takes nothing more, and an exception in an event handler would end
  // the process
  let hasEnded = false
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      const end = (cause?: Error | null) => {
        if (hasEnded) return
        hasEnded = true
        if (cause) controller.error(reasonOf(cause))
        else controller.close()
      }
      plain.on("data", (chunk: Uint8Array) => {
        if (hasEnded) return
        size += chunk.byteLength
        if (size > maxBytes) {
          end(coded(`a response of more than ${maxBytes} bytes`, "RESPONSE_TOO_LARGE"))
          return cancel()
        }
        controller.enqueue(new Uint8Array(chunk))
        if ((controller.desiredSize ?? 0) <= 0) plain.pause()
      })
      if (decoder === undefined) finished(message, end)
      else pipeline(message, decoder, end)
    },
    pull: () => void plain.resume(),
    // who has read the last event of a stream stops reading: the few bytes behind it are let through, so that the connection is
    // used again and the server sees no broken call; a caller who gives up aborts (signal)
    cancel: () => {
      hasEnded = true
      plain.resume()
      const late = setTimeout(cancel, restWithinMillis)
      finished(message, () => clearTimeout(late))
    }
  })
}

/** One call's `fetch`, which remembers the response that the client library hides. */
export interface Watched {
  readonly fetch: typeof globalThis.fetch
  /** The response's head; undefined before it has come. */
  readonly response: () => { readonly status: number; readonly headers: Headers } | undefined
  /** The body of a response outside 2xx; undefined for any other. */
  readonly refusal: () => string | undefined
}

export const watch = (): Watched => {
  let head: { readonly status: number; readonly headers: Headers } | undefined
  let refusal: string | undefined
  return {
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      const { headers, status } = response
      head = { headers, status }
      if (response.ok) return response
      // headers alone tell the meaning, if the connection ends here
      refusal = await response.text().catch(() => "")
      return new Response(status === 204 || status === 304 ? null : refusal, { status, headers })
    },
    response: () => head,
    refusal: () => refusal
  }
}
