/**
 * Role: runs a process: logging, probes and metrics on PORT, the app, an orderly stop. A wrong setting ends the process with one
 * line that names it. Order of the stop: not ready and streams end (Stopping), the HTTP server closes, then the app's layers
 * (ActorSystem drains, A5), connections last.
 * A part that fails for good (Readiness, Supervisor) ends the process in the same order; /readyz reports the reason before.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { Config, Context, Deferred, Effect, Layer } from "effect"
import type { FileSystem, Path } from "effect"
import { HttpRouter } from "effect/http"
import type { Etag, HttpPlatform } from "effect/http"
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as Setting from "../config/Setting.ts"
import * as Health from "./Health.ts"
import * as Logging from "./Logging.ts"
import { Gauges } from "../telemetry/Gauges.ts"
import * as Main from "../supervision/Main.ts"
import { Readiness } from "../supervision/Readiness.ts"

/** `requested` completes when the process begins to stop; endless responses must then end, so that the server can close. */
export class Stopping extends Context.Service<Stopping, { readonly requested: Effect.Effect<void> }>()(
  "@eco2/core/service/Stopping"
) {}

const ListenConfig = (defaultHost: string) =>
  Config.all({
    /** PORT: where HTTP is served. Default 8080. */
    port: Setting.integer("PORT", { default: 8080, min: 0, max: 65_535 }),
    /** HOST: the address HTTP is served on. Default 0.0.0.0 in a role, 127.0.0.1 in `npm start`. */
    host: Setting.parsed("HOST", { default: defaultHost, allowed: "an address of this machine", parse: (text) => text })
  })

/** The services that a role provides to its app. */
export type Services =
  | HttpRouter.HttpRouter
  | Gauges
  | Readiness
  | Stopping
  | FileSystem.FileSystem
  | Path.Path
  | HttpPlatform.HttpPlatform
  | Etag.Generator

export interface Options<E> {
  readonly role: string
  /** Behaviors and routes; /readyz runs the readiness checks that it registers. */
  readonly app: Layer.Layer<never, E, Services>
  readonly host?: string
  /** Runs once the server listens; `address` as in `http://127.0.0.1:8080`. */
  readonly started?: (address: string) => Effect.Effect<void>
}

const closeGrace = "5 seconds"

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

/** The role as a layer: built when it serves, closed in order. */
export const layer = <E>(options: Options<E>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { host, port } = yield* ListenConfig(options.host ?? "0.0.0.0")
      const stopping = yield* Deferred.make<void>()
      let isStopping = false
      const server = createServer({ keepAliveTimeout: 75_000, headersTimeout: 80_000 })
      // browsers open spare connections; those without a request would delay the close
      const unused = new Set<Socket>()
      server.on("connection", (socket) => {
        unused.add(socket)
        socket.once("close", () => unused.delete(socket))
      })
      server.on("request", (request, response) => {
        unused.delete(request.socket)
        // the port opens before the app is built; until the app listens, answer here
        if (server.listenerCount("request") === 1) answerWhileStarting(request, response)
      })
      const serve = HttpRouter.serve(Layer.merge(options.app, Health.layer), {
        disableLogger: true,
        disableListenLog: true
      }).pipe(
        Layer.provideMerge(Layer.merge(Readiness.layer, Gauges.layer)),
        Layer.provide(Layer.succeed(Stopping, { requested: Deferred.await(stopping) })),
        Layer.provideMerge(NodeHttpServer.layer(() => server, { port, host, gracefulShutdownTimeout: closeGrace }))
      )
      // built after the server, so that its finalizer runs before the server waits for open responses
      const onStop = Layer.effectDiscard(
        Effect.gen(function* () {
          const readiness = yield* Readiness
          yield* readiness.register("process", () => (isStopping ? "stopping" : null))
          yield* Effect.addFinalizer(() =>
            Effect.andThen(
              Effect.sync(() => {
                isStopping = true
                for (const socket of unused) socket.destroy()
              }),
              Deferred.succeed(stopping, undefined)
            )
          )
          const bound = server.address()
          const address = `http://${host.includes(":") ? `[${host}]` : host}:${typeof bound === "object" && bound !== null ? bound.port : port}`
          yield* Effect.logInfo("serving").pipe(Effect.annotateLogs({ address }))
          if (options.started !== undefined) yield* options.started(address)
        })
      )
      return onStop.pipe(Layer.provideMerge(serve))
    })
  )

/** Runs the role; fails, after an orderly stop, when a part of it has failed for good (Supervisor). */
export const launch = <E>(options: Options<E>) =>
  Effect.scoped(Effect.flatMap(Layer.build(layer(options)), (context) => Context.get(context, Readiness).failed))

/** Runs until SIGTERM or SIGINT (Main); exit code 0 after an orderly stop, 1 when it cannot start or a part failed for good. */
export const run = <E>(options: Options<E>): void =>
  Main.run(Main.reported(options.role, launch(options)).pipe(Effect.provide(Logging.layer(options.role))))
