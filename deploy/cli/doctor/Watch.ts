/**
 * Watch: records one HTTP response piece by piece with arrival times, as a browser behind the same proxies would see it. Uses
 * Node's own client, because others decode and collect. Accepts compression, as browsers do, and decompresses piece by piece.
 */
import { Effect, Schema } from "effect"
import { request as overHttp } from "node:http"
import { request as overHttps } from "node:https"
import { isIP } from "node:net"
import { connect } from "node:tls"
import { constants, createBrotliDecompress, createUnzip } from "node:zlib"
import type { Readable } from "node:stream"

/** No response, or no complete one in time. The request may have taken effect. */
export class Unreached extends Schema.TaggedError<Unreached>()("Unreached", { message: Schema.String }) {}

export interface Piece {
  /** By performance.now(). */
  readonly at: number
  readonly text: string
}

export interface Watched {
  readonly status: number
  readonly header: (name: string) => string | undefined
  /** By performance.now(). */
  readonly sentAt: number
  readonly pieces: ReadonlyArray<Piece>
  readonly text: string
  /** False if watching stopped early, by `enough` or for lack of time. */
  readonly ended: boolean
}

export interface Request {
  readonly method?: "GET" | "POST"
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** How long to watch. What arrived by then is the result, unless nothing did. */
  readonly millis: number
  /** Stops watching before the response ends. */
  readonly enough?: (pieces: ReadonlyArray<Piece>) => boolean
}

const mostBytes = 4 * 1024 * 1024

const undone = (encoding: string | undefined, body: Readable): Readable => {
  if (encoding === "br") return body.pipe(createBrotliDecompress({ flush: constants.BROTLI_OPERATION_FLUSH }))
  return encoding === "gzip" || encoding === "deflate"
    ? body.pipe(createUnzip({ flush: constants.Z_SYNC_FLUSH }))
    : body
}

/** Sends one request and watches its response. */
export const watch = (url: URL, options: Request): Effect.Effect<Watched, Unreached> =>
  Effect.callback<Watched, Unreached>((resume) => {
    const sentAt = performance.now()
    const pieces: Array<Piece> = []
    let bytes = 0
    let answer: Pick<Watched, "status" | "header"> | undefined
    const send = url.protocol === "https:" ? overHttps : overHttp
    const request = send(url, {
      method: options.method ?? "GET",
      headers: { "accept-encoding": "gzip, br", "user-agent": "eco2-doctor", ...options.headers },
      agent: false
    })
    const finish = (ended: boolean, why: string) => {
      clearTimeout(timer)
      resume(
        answer === undefined
          ? Effect.fail(new Unreached({ message: why }))
          : Effect.succeed({ ...answer, sentAt, pieces, text: pieces.map(({ text }) => text).join(""), ended })
      )
      request.destroy()
    }
    const timer = setTimeout(() => finish(false, `no answer within ${options.millis / 1000} s`), options.millis)
    request.on("error", (error) => finish(false, error.message === "" ? String(error) : error.message))
    request.on("response", (response) => {
      const { headers, statusCode = 0 } = response
      const header = (name: string) => {
        const value = headers[name]
        return Array.isArray(value) ? value.join(", ") : value
      }
      answer = { status: statusCode, header }
      const body = undone(header("content-encoding"), response)
      body.setEncoding("utf8")
      body.on("data", (text: string) => {
        pieces.push({ at: performance.now(), text })
        bytes += text.length
        if (bytes > mostBytes || options.enough?.(pieces) === true) finish(false, "")
      })
      body.on("end", () => finish(true, ""))
      body.on("error", () => finish(false, ""))
      response.on("close", () => {
        if (!response.complete) finish(false, "")
      })
    })
    request.end(options.body)
    return Effect.sync(() => {
      clearTimeout(timer)
      request.destroy()
    })
  })

/** The HTTP version that a browser would use there, as negotiated in the TLS handshake. */
export const protocol = (
  url: URL,
  millis: number
): Effect.Effect<"HTTP/2" | "HTTP/1.1" | "plain HTTP/1.1", Unreached> =>
  url.protocol !== "https:"
    ? Effect.succeed("plain HTTP/1.1")
    : Effect.callback<"HTTP/2" | "HTTP/1.1", Unreached>((resume) => {
        const host = url.hostname.replaceAll(/[[\]]/g, "")
        const socket = connect(
          {
            host,
            port: Number(url.port || 443),
            // an address is no name that a server can be asked for
            servername: isIP(host) === 0 ? host : "",
            ALPNProtocols: ["h2", "http/1.1"],
            timeout: millis
          },
          () => {
            resume(Effect.succeed(socket.alpnProtocol === "h2" ? "HTTP/2" : "HTTP/1.1"))
            socket.destroy()
          }
        )
        const failed = (message: string) => {
          resume(Effect.fail(new Unreached({ message })))
          socket.destroy()
        }
        socket.on("error", (error) => failed(error.message))
        socket.on("timeout", () => failed(`no TLS handshake within ${millis / 1000} s`))
        return Effect.sync(() => socket.destroy())
      })
