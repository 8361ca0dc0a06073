/**
 * HttpPort: one port of a process: a Node server that answers while the app is built, then serves the app, and closes in order.
 *   H4  every connection ends: one that asks nothing, half a request, or nothing more, and one that does not read its answer,
 *       or hardly does (SlowReaders)
 *   H5  a port has a largest number of connections; one more is closed at once, and the others go on
 * For Role, which opens one or two.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { ByteSize, Effect, Metric } from "effect"
import type { Scope } from "effect"
import { HttpIncomingMessage, HttpServer } from "effect/http"
import type { HttpRouter, HttpServerError, HttpServerRequest } from "effect/http"
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Writable } from "node:stream"
import * as Metrics from "../telemetry/Metrics.ts"
import * as SlowReaders from "./SlowReaders.ts"

const closeGrace = "5 seconds"
/** Refused connections are logged once in this time. */
const quietMillis = 60_000
/** Of a body that a handler does not read by itself, bytes. */
const mostBody = ByteSize.fromInputUnsafe("64 KiB")

/**
 * Node's response to a request, for a stream that writes to it directly. The status, the headers and the first bytes must have been
 * sent by the server, and it must end the response.
 */
export const responseOf = (request: HttpServerRequest.HttpServerRequest): Writable =>
  NodeHttpServerRequest.toServerResponse(request)

export interface HttpPort {
  /** As in `http://127.0.0.1:8080`. */
  readonly address: string
  /** Serves the app until the scope closes: then no new connection is accepted, and open responses have 5 s. */
  readonly serve: (app: ReturnType<HttpRouter.HttpRouter["asHttpEffect"]>) => Effect.Effect<void, never, Scope.Scope>
  /** Closes the connections on which nothing was asked yet; they would delay the close. */
  readonly closeUnused: () => void
}

/** How long a connection may do what it does, in milliseconds. */
export interface Bounds {
  /** From its opening, or the end of the last answer's idle time, to the end of a request's headers. */
  readonly headersMillis: number
  /** To the end of the request's body; RequestBody allows a picture two minutes. */
  readonly requestMillis: number
  /** Between two requests. */
  readonly idleMillis: number
  /** Without a byte in either direction, while a request is answered; longer than KEEPALIVE, which streams send. */
  readonly silentMillis: number
  /** What a client must take of an answer that waits for it; 128 KiB in two and a half minutes is 7 kbit/s. */
  readonly reading: SlowReaders.Bounds
  /** How often the first two and the last are compared with the clock. */
  readonly checkMillis: number
}
const usual: Bounds = {
  headersMillis: 80_000,
  requestMillis: 180_000,
  idleMillis: 75_000,
  silentMillis: 150_000,
  reading: { turnMillis: 150_000, leastInTurn: 128 * 1024 },
  checkMillis: 15_000
}

/** Answers while the app is built: alive, not ready, nothing else. */
const answerWhileStarting = ({ url }: IncomingMessage, response: ServerResponse): void => {
  const alive = url === "/healthz"
  const body = alive
    ? { status: "ok" }
    : url === "/readyz"
      ? { status: "not ready", troubles: [{ name: "process", trouble: "starting" }] }
      : { detail: "starting; try again", code: "UNAVAILABLE" }
  response.writeHead(alive ? 200 : 503, { "content-type": "application/json", "retry-after": "1" })
  response.end(JSON.stringify(body))
}

/** Listens; `port` 0: any free one. The port is free again when the scope has closed. */
export const open = Effect.fnUntraced(function* (options: {
  readonly host: string
  readonly port: number
  /** Connections at once. */
  readonly most: number
  readonly bounds?: Bounds
}): Effect.fn.Return<HttpPort, HttpServerError.ServeError, Scope.Scope> {
  const { bounds = usual, host, most, port } = options
  const server = createServer({
    keepAliveTimeout: bounds.idleMillis,
    headersTimeout: bounds.headersMillis,
    requestTimeout: bounds.requestMillis,
    connectionsCheckingInterval: bounds.checkMillis
  })
  server.timeout = bounds.silentMillis
  server.maxConnections = most
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  let saidAt = -Infinity
  server.on("drop", () => {
    const now = performance.now()
    const say = now - saidAt >= quietMillis
    if (say) saidAt = now
    fork(
      Effect.andThen(
        Metric.update(Metrics.connectionsRefused, 1),
        say
          ? Effect.logWarning("connections are refused: as many as may be are open").pipe(
              Effect.annotateLogs({ port, max_connections: most })
            )
          : Effect.void
      )
    )
  })
  const readers = SlowReaders.make(bounds.reading)
  yield* Effect.acquireRelease(
    Effect.sync(() => setInterval(() => readers.sweep(performance.now()), bounds.checkMillis).unref()),
    (timer) => Effect.sync(() => clearInterval(timer))
  )
  // browsers open spare connections
  const unused = new Set<Socket>()
  server.on("connection", (socket) => {
    readers.watch(socket)
    unused.add(socket)
    socket.once("close", () => unused.delete(socket))
  })
  server.on("request", (request, response) => {
    unused.delete(request.socket)
    // the port opens before the app is built; until the app listens, answer here
    if (server.listenerCount("request") === 1) answerWhileStarting(request, response)
  })
  const served = yield* NodeHttpServer.make(() => server, { port, host, gracefulShutdownTimeout: closeGrace })
  const bound = server.address()
  return {
    address: `http://${host.includes(":") ? `[${host}]` : host}:${typeof bound === "object" && bound !== null ? bound.port : port}`,
    serve: (app) =>
      HttpServer.serveEffect(app).pipe(
        Effect.provideService(HttpServer.HttpServer, served),
        Effect.provideService(HttpIncomingMessage.MaxBodySize, mostBody),
        // a connection that asks for an upgrade leaves Node's time limits if somebody listens for that; if nobody does, the
        // request is one like any other
        Effect.tap(() => Effect.sync(() => server.removeAllListeners("upgrade")))
      ),
    closeUnused: () => {
      for (const socket of unused) socket.destroy()
    }
  }
})
