/**
 * HttpExchange: one GET on one connection, to addresses already checked. It follows no redirect. Used by GuardedFetch only.
 * It uses node:http instead of fetch, because the connection must go to the given addresses only, and must close when enough
 * was read.
 */
import { Effect } from "effect"
import { request as httpRequest } from "node:http"
import type { IncomingMessage } from "node:http"
import { request as httpsRequest } from "node:https"
import type { LookupFunction } from "node:net"
import { finished, pipeline } from "node:stream"
import type { Readable, Transform } from "node:stream"
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from "node:zlib"

export interface Address {
  readonly address: string
  /** 4 or 6. */
  readonly family: number
}

/** A response without its body. */
export interface Head {
  /** The final URL, after redirects. */
  readonly url: string
  readonly status: number
  readonly headers: Headers
}

export interface Exchange {
  readonly url: URL
  /** Without brackets, as sockets expect it. */
  readonly host: string
  readonly port: number
  /** Tried in order. */
  readonly addresses: ReadonlyArray<Address>
  readonly headers: Readonly<Record<string, string>>
  readonly maxBytes: number
  readonly wanted: (head: Head) => boolean
  /** Called with each piece of the body; true: the rest is not read. */
  readonly enough?: (piece: Uint8Array) => boolean
  /** Runs before the body is read, with the bytes it has at most; false leaves it unread, and the exchange fails with `noRoom`. */
  readonly room?: (bytes: number) => Effect.Effect<boolean>
  /** Called when the socket is connected, before any byte is sent. */
  readonly mayTalkTo: (address: string) => boolean
}

export interface Reply extends Head {
  readonly body: Uint8Array
  readonly cut: boolean
}

const maxHeaderBytes = 16 * 1024
export const noRoom = new Error("no room for the body")

/** One response, its body read up to `maxBytes`. Fails with the error of the connection or the decoder. */
export const exchange = ({
  addresses,
  enough,
  headers,
  host,
  maxBytes,
  mayTalkTo,
  port,
  room,
  url,
  wanted
}: Exchange): Effect.Effect<Reply, unknown> =>
  Effect.suspend(() => {
    const pinned: LookupFunction = (_, options, answer) => {
      const [first] = addresses
      if (options.all === true) return answer(null, [...addresses])
      answer(null, first?.address ?? "", first?.family)
    }
    const client = (url.protocol === "https:" ? httpsRequest : httpRequest)({
      host,
      port,
      path: `${url.pathname}${url.search}`,
      headers: { ...headers, host: url.host, "accept-encoding": "gzip, deflate, br" },
      lookup: pinned,
      // a new connection: none made for another address is reused
      agent: false,
      maxHeaderSize: maxHeaderBytes
    })
    const answered = Effect.callback<{ readonly head: Head; readonly message: IncomingMessage }, unknown>((resume) => {
      const fail = (cause: unknown) => resume(Effect.fail(cause))
      client.on("error", fail)
      // the server closed the connection, or switched the protocol, without a response
      client.on("close", () => fail(new Error("closed without a response")))
      client.on("socket", (socket) => {
        socket.once("connect", () => {
          if (!mayTalkTo(socket.remoteAddress ?? "")) client.destroy(new Error("connected to another address"))
        })
      })
      client.on("response", (message) => {
        // one that comes before the body is read is told to its reader
        message.on("error", () => undefined)
        // an exception in an event handler would end the process
        try {
          resume(
            Effect.succeed({
              head: { url: url.href, status: message.statusCode ?? 0, headers: headersOf(message) },
              message
            })
          )
        } catch (cause) {
          fail(cause)
        }
      })
      client.end()
    })
    const bodyOf = (message: IncomingMessage) =>
      Effect.callback<{ readonly body: Uint8Array; readonly cut: boolean }, unknown>((resume) =>
        read(message, enough === undefined ? { maxBytes } : { enough, maxBytes }, {
          done: (body, cut) => resume(Effect.succeed({ body, cut })),
          fail: (cause) => resume(Effect.fail(cause))
        })
      )
    return Effect.gen(function* () {
      const { head, message } = yield* answered
      if (!(yield* Effect.try({ try: () => wanted(head), catch: (cause) => cause }))) {
        return { ...head, body: new Uint8Array(0), cut: false }
      }
      if (room !== undefined && !(yield* room(mostOf(message, maxBytes)))) return yield* Effect.fail(noRoom)
      return { ...head, ...(yield* bodyOf(message)) }
    }).pipe(Effect.ensuring(Effect.sync(() => client.destroy())))
  })

/** The bytes that a body has at most, as its head says. */
const mostOf = ({ headers }: IncomingMessage, maxBytes: number): number => {
  const { "content-encoding": coding = "identity", "content-length": length = "" } = headers
  return coding.trim().toLowerCase() === "identity" && /^\d{1,15}$/.test(length)
    ? Math.min(maxBytes, Number(length))
    : maxBytes
}

const headersOf = (message: IncomingMessage): Headers => {
  const headers = new Headers()
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  return headers
}

const read = (
  message: IncomingMessage,
  { enough, maxBytes }: Pick<Exchange, "enough" | "maxBytes">,
  { done, fail }: { done: (body: Uint8Array, cut: boolean) => void; fail: (cause: unknown) => void }
) => {
  const coding = (message.headers["content-encoding"] ?? "identity").trim().toLowerCase()
  const decoder = decoders.get(coding)
  if (decoder === undefined) return fail(new Error("unknown content-encoding"))
  const chunks: Array<Uint8Array> = []
  let size = 0
  const ended = (cause: unknown) => (cause ? fail(cause) : done(Buffer.concat(chunks), false))
  const start = (first: Uint8Array) => {
    const transform = decoder(first)
    const plain: Readable = transform ?? message
    const stop = () => {
      done(Buffer.concat(chunks), true)
      plain.destroy()
    }
    plain.on("data", (chunk: Uint8Array) => {
      const room = maxBytes - size
      const taken = chunk.subarray(0, room)
      size += taken.length
      if (room > 0) chunks.push(taken)
      if (chunk.length > room) return stop()
      // an exception in an event handler would end the process
      try {
        if (enough?.(taken) === true) stop()
      } catch (cause) {
        fail(cause)
        plain.destroy()
      }
    })
    if (transform === undefined) finished(message, ended)
    else pipeline(message, transform, ended)
  }
  if (coding !== "deflate") return start(new Uint8Array(0))
  // two formats have this name: the first byte tells
  const peek = () => {
    const first: unknown = message.read()
    if (!(first instanceof Uint8Array)) return
    message.off("readable", peek).off("end", empty).off("close", broken)
    message.unshift(first)
    start(first)
  }
  const empty = () => ended(undefined)
  const broken = () => ended(new Error("closed within a response"))
  message.on("readable", peek).on("end", empty).on("close", broken)
}

/** The encodings we accept. A gzip body without its trailer is accepted, because some servers omit it. */
const lenient = { finishFlush: constants.Z_SYNC_FLUSH }
/** With zlib's header, as the standard says, or without, as many servers send it. */
const inflate = (first: Uint8Array) => {
  const [method = 0, flags = 0] = first
  const hasHeader = (method & 0x0f) === 8 && method >> 4 <= 7 && (first.length < 2 || (method * 256 + flags) % 31 === 0)
  return hasHeader ? createInflate(lenient) : createInflateRaw(lenient)
}
/** By name; the function gets the first bytes, of `deflate` alone. */
const decoders = new Map<string, (first: Uint8Array) => Transform | undefined>(
  Object.entries({
    identity: () => undefined,
    // what servers say that do not encode
    none: () => undefined,
    "utf-8": () => undefined,
    "": () => undefined,
    gzip: () => createGunzip(lenient),
    "x-gzip": () => createGunzip(lenient),
    deflate: inflate,
    br: () => createBrotliDecompress()
  })
)
