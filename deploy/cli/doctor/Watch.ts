/**
 * Watch: one HTTP answer as it arrives, piece by piece, with the moment of each: what a browser behind the same proxies would
 * see. On Node's own client: others decode and collect. Offers compression, as browsers do, and undoes it piece by piece.
 */
import { Effect, Schema } from "effect"
import { request as overHttp } from "node:http"
import { request as overHttps } from "node:https"
import { connect } from "node:tls"
import { constants, createBrotliDecompress, createUnzip } from "node:zlib"
import type { Readable } from "node:stream"

/** Nobody answered, or not to the end in time. What was sent may have been acted on. */
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
  /** False where it was given up, by `enough` or for lack of time. */
  readonly ended: boolean
}

export interface Request {
  readonly method?: "GET" | "POST"
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** How long to watch. What has come by then is the answer, unless nothing has. */
  readonly millis: number
  /** Ends the watching before the answer does. */
  readonly enough?: (pieces: ReadonlyArray<Piece>) => boolean
}

const mostBytes = 4 * 1024 * 1024

const undone = (encoding: string | undefined, body: Readable): Readable => {
  if (encoding === "br") return body.pipe(createBrotliDecompress({ flush: constants.BROTLI_OPERATION_FLUSH }))
  return encoding === "gzip" || encoding === "deflate"
    ? body.pipe(createUnzip({ flush: constants.Z_SYNC_FLUSH }))
    : body
}

/** Sends one request and watches its answer. */
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

/** The HTTP version a browser would speak there: by what the TLS handshake settles on. */
export const protocol = (
  url: URL,
  millis: number
): Effect.Effect<"HTTP/2" | "HTTP/1.1" | "plain HTTP/1.1", Unreached> =>
  url.protocol !== "https:"
    ? Effect.succeed("plain HTTP/1.1")
    : Effect.callback<"HTTP/2" | "HTTP/1.1", Unreached>((resume) => {
        const socket = connect(
          {
            host: url.hostname,
            port: Number(url.port || 443),
            servername: url.hostname,
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
